"""What the tests of access share: a store of the test's own, and the application on it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from deployments.settings import Settings
from store import Store
from tests.support.access_service import serving
from tests.support.conversations import World


@pytest.fixture
async def store(world: World) -> Store:
    """Of this test alone; no service uses it."""
    return world.store


@pytest.fixture
async def http(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """The application that asks for API keys."""
    async with serving(store, Settings(auth="keys")) as client:
        yield client

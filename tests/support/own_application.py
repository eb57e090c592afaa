"""Fixtures: a store of the test's own, the application on it that asks for keys, and a person."""

from collections.abc import AsyncIterator, Mapping

import httpx
import pytest

from deployments.settings import Settings
from store import Store
from tests.support.access_service import bearer, make_key, serving
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


@pytest.fixture
async def ada(store: Store) -> Mapping[str, str]:
    """The header of a person of the tenant acme."""
    return bearer(await make_key(store, "ada"))

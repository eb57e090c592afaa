"""Fixtures: the application that asks for keys, in front of the hosts of the run's service."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deployments.settings import Settings
from store import Store
from tests.support.access_service import serving
from tests.support.service import RunningService


@pytest.fixture
async def store(service: RunningService) -> AsyncIterator[Store]:
    """The shared service's, whose hosts answer and whose replica reads the feed."""
    store = service.store()
    yield store
    await store.aclose()


@pytest.fixture
def chosen() -> dict[str, Any]:
    """The settings of the application that are not the service's; a module may have its own."""
    return {"auth": "keys"}


@pytest.fixture
async def http(
    service: RunningService, store: Store, cluster: None, chosen: dict[str, Any]
) -> AsyncIterator[httpx.AsyncClient]:
    settings = {**service.settings().model_dump(exclude={"anthropic_api_key"}), **chosen}
    async with serving(store, Settings(**settings)) as client:
        yield client

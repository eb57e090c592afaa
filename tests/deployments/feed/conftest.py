"""An engine whose waits are short, on a store of the test's own."""

from collections.abc import AsyncIterator

import pytest

from deployments.feed import engine, partitions, reader
from store import Store, connect


@pytest.fixture
async def store(redis_url: str, redis_prefix: str) -> AsyncIterator[Store]:
    """The tests beside these work in the store of a service; and what is in these logs is no event."""
    store = connect(redis_url, prefix=redis_prefix)
    yield store
    await store.aclose()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, seconds in (
        (engine, "LEASE_SECONDS", 20.0),
        (engine, "MARGIN_SECONDS", 0.1),
        (engine, "RENEWAL_SECONDS", 0.1),
        (engine, "SPREAD_SECONDS", 0.01),
        (engine, "SWEEP_SECONDS", 0.1),
        (partitions, "ACKNOWLEDGE_SECONDS", 0.01),
        (reader, "GATHER_SECONDS", 0.005),
        (reader, "TICK_SECONDS", 0.005),
        (reader, "FIRST_PAUSE_SECONDS", 0.01),
        (reader, "MAX_PAUSE_SECONDS", 0.05),
    ):
        monkeypatch.setattr(module, name, seconds)

"""A world of batches for each test, with waits that are short."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from deployments.batches import driver
from deployments.feed import engine, partitions, reader
from deployments.settings import Settings
from deployments.work import attempt
from deployments.work import worker as worker_module
from store.keys import Keys
from tests.support.batches import BatchWorld, agents, batch_world
from tests.support.leaks import all_keys, find_problems


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module, name, seconds in (
        (engine, "LEASE_SECONDS", 20.0),
        (engine, "RENEWAL_SECONDS", 0.1),
        (engine, "SPREAD_SECONDS", 0.01),
        (engine, "SWEEP_SECONDS", 0.1),
        (partitions, "ACKNOWLEDGE_SECONDS", 0.01),
        (reader, "GATHER_SECONDS", 0.005),
        (reader, "TICK_SECONDS", 0.005),
        (driver, "LOOK_SECONDS", 0.01),
    ):
        monkeypatch.setattr(module, name, seconds)
    monkeypatch.setattr(attempt, "retry_delay", lambda _: 0.01)
    monkeypatch.setattr(worker_module, "LOOK_AGAIN", timedelta(seconds=0.1))
    return


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.txt"


@pytest.fixture
async def settings(redis_url: str, redis_prefix: str, tmp_path: Path) -> AsyncIterator[Settings]:
    """Those of a service whose keys and files are this test's own; every key that is left must be in the table."""
    settings = Settings(
        redis_url=redis_url,
        prefix=redis_prefix,
        batch_url=str(tmp_path / "kept"),
        batch_places=f"{tmp_path / 'allowed'}, s3://ours",
    )
    yield settings
    async with Redis.from_url(redis_url) as client:
        left = {key for key in await all_keys(client) if key.startswith(redis_prefix.encode())}
        wrong = await find_problems(client, Keys(redis_prefix), left)
        await client.delete(*left or {b"none"})
    assert not wrong, wrong


@pytest.fixture
async def world(settings: Settings, short_waits: None, ledger: Path, tmp_path: Path) -> AsyncIterator[BatchWorld]:
    async with batch_world(settings, agents(ledger), tmp_path / "out") as world:
        yield world

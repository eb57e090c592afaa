"""A conversation in this process for each test that needs no cluster, and one running service for the others."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deployments.feed import engine, partitions, reader
from tests.chaos.in_process import InProcessSystem, in_process_system
from tests.chaos.system import SystemUnderTest, running_system


@pytest.fixture(autouse=True)
def quick_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer in this process hears of things at once."""
    monkeypatch.setattr(reader, "GATHER_SECONDS", 0.005)
    monkeypatch.setattr(partitions, "ACKNOWLEDGE_SECONDS", 0.02)
    # Entries that follow another one closely have no wake of their own, and such a short wait is over before they come.
    monkeypatch.setattr(engine, "SWEEP_SECONDS", 0.2)


@pytest.fixture
async def in_process(redis_url: str, redis_prefix: str, tmp_path: Path) -> AsyncIterator[InProcessSystem]:
    """A conversation in this process, with everything that the checks need."""
    async with in_process_system(redis_url, redis_prefix, tmp_path) as system:
        yield system


@pytest.fixture(scope="session")
def system() -> Iterator[SystemUnderTest]:
    """The running service, which tests break."""
    with running_system("tests.chaos.sabotage:catalog") as running:
        yield running

"""A rehearsal for each test that needs no cluster, and one running world for those that do."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.chaos.rehearsal import Rehearsal, rehearsing
from tests.chaos.world import World, running_world


@pytest.fixture
async def rehearsal(redis_url: str, redis_prefix: str, tmp_path: Path) -> AsyncIterator[Rehearsal]:
    """A conversation in this process, with all that the checker looks at."""
    async with rehearsing(redis_url, redis_prefix, tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The service, to be broken."""
    with running_world("tests.chaos.sabotage:catalog") as running:
        yield running

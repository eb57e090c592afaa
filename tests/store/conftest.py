"""The store tests run against every server of this machine and a cluster, and fail when they leak a key."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis, RedisCluster

from store import Store, connect
from store.files.files import FileLimits
from store.live import publisher
from tests.servers.fixtures import (
    own_server,
    redis_prefix,
    redis_server,
    redis_url,
    valkey_cluster,
)
from tests.servers.process import RedisServer, available_binaries
from tests.support.leaks import all_keys, find_problems
from tests.support.recording_client import FAR_SECONDS

if TYPE_CHECKING:
    from tests.servers.cluster import ValkeyCluster

__all__ = ["own_server", "redis_prefix", "redis_server", "redis_url", "valkey_cluster"]

CLUSTER = "cluster"


@dataclass(frozen=True)
class Target:
    """Where a test's stores connect."""

    name: str
    url: str
    clustered: bool

    def client(self) -> Redis | RedisCluster:
        """A plain client, to inspect what the store did."""
        return RedisCluster.from_url(self.url) if self.clustered else Redis.from_url(self.url)

    def connect(self, prefix: str, *, file_limits: FileLimits | None = None) -> Store:
        """A store as one process would open it."""
        return connect(self.url, cluster=self.clustered, prefix=prefix, file_limits=file_limits)


@pytest.fixture(scope="session")
def started_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Gives the URL of a single server by name, started when first asked for."""
    started: dict[str, RedisServer] = {}

    def url_of(name: str) -> str:
        if name not in started:
            started[name] = RedisServer(available_binaries()[name], tmp_path_factory.mktemp(name))
            started[name].start()
        return started[name].url

    try:
        yield url_of
    finally:
        for server in started.values():
            server.stop()


@pytest.fixture(params=[*available_binaries(), pytest.param(CLUSTER, marks=pytest.mark.cluster)])
def target(request: pytest.FixtureRequest, started_servers: Callable[[str], str]) -> Target:
    """Each server in turn."""
    if request.param == CLUSTER:
        cluster: ValkeyCluster = request.getfixturevalue("valkey_cluster")
        return Target(CLUSTER, cluster.url, clustered=True)
    return Target(request.param, started_servers(request.param), clustered=False)


@pytest.fixture
async def store(target: Target, redis_prefix: str) -> AsyncIterator[Store]:
    """A store of this test's own; afterwards its keys are checked against the table and removed."""
    client = target.client()
    before = await all_keys(client)
    store = target.connect(redis_prefix)
    yield store
    await store.aclose()
    left = await all_keys(client) - before
    wrong = await find_problems(client, store.keys, left)
    for key in left:
        await client.delete(key)
    await client.aclose()
    assert not wrong, f"leaked keys: {wrong}"


@pytest.fixture
async def second_store(target: Target, store: Store) -> AsyncIterator[Store]:
    """The same data seen by another process."""
    second = target.connect(store.keys.prefix)
    yield second
    await second.aclose()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A place for an embedded server."""
    return tmp_path / "data"


@pytest.fixture
def slow_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that are not urgent wait until they are flushed."""
    monkeypatch.setattr(publisher, "INTERVAL_SECONDS", FAR_SECONDS)
    monkeypatch.setattr(publisher, "MAX_INTERVAL_SECONDS", FAR_SECONDS)

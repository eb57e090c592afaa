"""Fixtures around the servers; a conftest imports the ones its tests ask for."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.servers.cluster import ValkeyCluster
from tests.servers.process import RedisServer, available_binaries

VALKEY = "valkey-8.1"


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Valkey for the whole run; a test that pauses or kills a server starts its own."""
    server = RedisServer(available_binaries()[VALKEY], tmp_path_factory.mktemp("valkey"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redis_url(redis_server: RedisServer) -> str:
    """The URL of the run's Valkey; tests are kept apart by `redis_prefix`."""
    return redis_server.url


@pytest.fixture
def redis_prefix() -> str:
    """A key prefix that no other test uses."""
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts servers for one test, which may pause, kill and restart them."""
    started: list[RedisServer] = []

    def start(name: str = VALKEY, *, options: Sequence[str] = ()) -> RedisServer:
        place = tmp_path / f"server-{len(started)}"
        server = RedisServer(available_binaries()[name], place, options=options)
        started.append(server)
        server.start()
        return server

    try:
        yield start
    finally:
        for server in started:
            server.stop()


@pytest.fixture(scope="session")
def valkey_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    """One cluster of three nodes for the whole run."""
    cluster = ValkeyCluster(available_binaries()[VALKEY], tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()

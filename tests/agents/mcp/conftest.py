"""Pools and test servers that end with their test."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import psutil
import pytest

from agents.mcp.pool import McpPool
from agents.mcp.server import McpServer
from tests.support.mcp_workbench import Caller, Clock, HttpServer, over_stdio

Served = Callable[..., Awaitable[HttpServer]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def pool(clock: Clock) -> AsyncIterator[McpPool]:
    """A pool; no server that it started may outlive it."""
    before = set(psutil.Process().children(recursive=True))
    pool = McpPool(clock)
    yield pool
    mine = set(psutil.Process().children(recursive=True)) - before
    await pool.aclose()
    left = [process for process in mine if "stdio" in _command(process)]
    assert left == []


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """Starts test servers that speak HTTP."""
    servers: list[HttpServer] = []

    async def serve(*options: str) -> HttpServer:
        server = HttpServer(*options)
        servers.append(server)
        server.start()
        await server.ready()
        return server

    yield serve
    for server in servers:
        server.kill()


@pytest.fixture(scope="module")
def shared() -> Iterator[Callable[..., HttpServer]]:
    """Servers that all tests of a file share, and none kills."""
    servers: dict[tuple[str, ...], HttpServer] = {}

    def serve(*options: str) -> HttpServer:
        if options not in servers:
            servers[options] = HttpServer(*options)
            servers[options].start()
        return servers[options]

    yield serve
    for server in servers.values():
        server.kill()


@pytest.fixture(params=[(), ("old",)], ids=["new", "old"])
async def http(request: pytest.FixtureRequest, shared: Callable[..., HttpServer]) -> HttpServer:
    """The test server over HTTP."""
    server = shared(*request.param)
    await server.ready()
    return server


@pytest.fixture(params=["stdio", "stdio old", "http", "http old"])
async def server(request: pytest.FixtureRequest, shared: Callable[..., HttpServer]) -> McpServer:
    """The test server over each transport, with each protocol."""
    way, *options = request.param.split()
    if way == "stdio":
        return over_stdio(*options)
    http = shared(*options)
    await http.ready()
    return http.reached()


@pytest.fixture
def caller(pool: McpPool, server: McpServer) -> Caller:
    return Caller(pool, server)

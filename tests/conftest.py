"""What the tiers share: one Valkey for the run, and a world of conversations whose laws are checked afterwards."""

import signal
from collections.abc import AsyncIterator, Callable

import pytest
import structlog

from store import Store
from tests.messages_api import MessagesServer
from tests.servers.fixtures import own_server, redis_prefix, redis_server, redis_url, valkey_cluster
from tests.servers.process import RedisServer
from tests.support.conversations import World

__all__ = ["own_server", "redis_prefix", "redis_server", "redis_url", "valkey_cluster"]


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background deaf to Ctrl-C, and processes inherit that; tests press it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Otherwise rich draws every local variable of an error: seconds in which the event loop does nothing else.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--placements",
        choices=("one", "both"),
        default="one",
        help="run each test of the service in one of the two placements, a third of them dedicated, or in both",
    )


@pytest.fixture
async def world(redis_url: str, redis_prefix: str) -> AsyncIterator[World]:
    """A place for the test's conversations; whatever it leaves in the store must obey the laws of a log."""
    world = World(redis_url, redis_prefix)
    yield world
    await world.close()


@pytest.fixture
async def store(world: World) -> Store:
    """The test's own view of the store; what is written through it is checked like all the rest."""
    return world.store


@pytest.fixture
async def fragile(
    own_server: Callable[..., RedisServer], redis_prefix: str
) -> AsyncIterator[tuple[World, RedisServer]]:
    """A world on a server of its own, which may be hurt."""
    server = own_server()
    world = World(server.url, redis_prefix)
    yield world, server
    await world.close()


@pytest.fixture
async def messages_api() -> AsyncIterator[MessagesServer]:
    """A Messages API over real HTTP."""
    async with MessagesServer() as server:
        yield server

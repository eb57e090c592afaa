"""All commands of a process share one connection: each caller gets its own reply, whatever happens to the others."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
from redis import exceptions
from redis.asyncio import Redis

from store.client.connection import LeanConnection
from store.client.multiplexed import MultiplexedRedis
from tests.servers.process import RedisServer
from tests.servers.proxy import Proxy

StartServer = Callable[..., RedisServer]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[MultiplexedRedis]:
    redis = cast(
        "MultiplexedRedis", MultiplexedRedis.from_url(url, connection_class=LeanConnection, socket_timeout=0.3)
    )
    try:
        yield redis
    finally:
        await redis.aclose()


async def test_commands_at_once_take_one_connection_and_keep_their_replies_apart(own_server: StartServer) -> None:
    server = own_server()
    async with opened(server.url) as redis, Redis.from_url(server.url) as onlooker:
        echoes = await asyncio.gather(*(redis.echo(str(number)) for number in range(300)))

        assert echoes == [str(number).encode() for number in range(300)]
        clients = await onlooker.client_list()
        assert len([client for client in clients if client["cmd"] == "echo"]) == 1


async def test_a_reply_has_the_shape_that_redis_py_gives_it(own_server: StartServer) -> None:
    server = own_server()
    async with opened(server.url) as redis:
        await redis.zadd("z", {"a": 1, "b": 2})

        assert await redis.zrange("z", 0, -1, withscores=True) == [(b"a", 1.0), (b"b", 2.0)]
        assert await redis.hgetall("nothing") == {}


async def test_an_error_reaches_only_its_caller(own_server: StartServer) -> None:
    server = own_server()
    async with opened(server.url) as redis:
        await redis.set("text", "x")
        before, wrong, after = await asyncio.gather(
            redis.echo("before"), redis.lpush("text", "y"), redis.echo("after"), return_exceptions=True
        )

        assert (before, after) == (b"before", b"after")
        assert isinstance(wrong, exceptions.ResponseError)
        assert "WRONGTYPE" in str(wrong)


async def test_a_command_that_cannot_be_sent_does_not_affect_the_others(own_server: StartServer) -> None:
    server = own_server()
    async with opened(server.url) as redis:
        with pytest.raises(exceptions.DataError):
            await redis.set("key", None)  # type: ignore[arg-type]

        assert await redis.echo("next") == b"next"


async def test_a_cancelled_caller_leaves_the_replies_in_order(own_server: StartServer) -> None:
    server = own_server()
    async with opened(server.url) as redis:
        await redis.echo("connected")
        with server.paused():
            given_up = asyncio.create_task(redis.echo("given up"))
            patient = asyncio.create_task(redis.echo("patient"))
            await asyncio.sleep(0.01)
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up

        assert await patient == b"patient"


async def test_a_silent_server_fails_all_waiting_commands_and_is_connected_again(own_server: StartServer) -> None:
    server = own_server()
    async with opened(server.url) as redis:
        await redis.echo("connected")
        with server.paused():
            answers = await asyncio.gather(redis.echo("a"), redis.echo("b"), return_exceptions=True)

        assert [type(answer) for answer in answers] == [exceptions.TimeoutError] * 2
        assert await redis.echo("again") == b"again"


async def test_a_broken_connection_fails_all_waiting_commands_and_is_opened_again(own_server: StartServer) -> None:
    server = own_server()
    async with Proxy(server.port) as proxy, opened(proxy.url) as redis:
        await redis.echo("connected")
        proxy.lose_answer_to(b"ECHO")
        answers = await asyncio.gather(redis.echo("a"), redis.echo("b"), return_exceptions=True)

        assert [type(answer) for answer in answers] == [exceptions.ConnectionError] * 2
        assert await redis.echo("again") == b"again"


async def test_a_process_that_was_stopped_for_long_does_not_blame_the_server(own_server: StartServer) -> None:
    server = own_server()
    async with opened(server.url) as redis:
        await redis.echo("connected")
        with server.paused():
            waiting = asyncio.create_task(redis.echo("answered meanwhile"))
            await asyncio.sleep(0.01)  # it has left
        time.sleep(0.5)  # as if the process was stopped
        assert await waiting == b"answered meanwhile"


async def test_a_closed_client_fails_every_command(own_server: StartServer) -> None:
    server = own_server()
    async with opened(server.url) as redis:
        await redis.echo("connected")
        with server.paused():
            waiting = asyncio.create_task(redis.echo("waiting"))
            await asyncio.sleep(0.01)
            await redis.aclose()
            with pytest.raises(exceptions.ConnectionError):
                await waiting
        with pytest.raises(exceptions.ConnectionError):
            await redis.echo("too late")

"""Synchronous replication: a change counts once enough replicas have it as well, which the command WAIT tells."""

from collections.abc import Sequence
from dataclasses import dataclass

from redis import exceptions
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.connection import AbstractConnection

from store.client.script import Argument, LuaScript
from store.keys import marker_beside

Commands = Sequence[Sequence[Argument]]

MARKER_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Replication:
    """`count` replicas must have a change before it counts; one attempt waits `seconds` for them."""

    count: int = 0
    seconds: float = 1.0


class NotConfirmed(exceptions.ResponseError):
    """Too few replicas have the change yet. This server has it, and may be lost with it: an uncertain outcome."""


async def run_confirmed(
    redis: Redis | RedisCluster,
    replication: Replication,
    script: LuaScript,
    keys: Sequence[str],
    arguments: Sequence[Argument],
) -> object:
    """Run a script and return its answer once the replicas have its effect. Raises NotConfirmed; repeatable.

    All commands go over one connection, because WAIT is about what its own connection has written. A script that is
    repeated writes nothing, so WAIT alone would confirm nothing. Therefore a marker is written between them: a replica
    that has the marker has everything older on that server, and the script has just found its own effect there.
    """
    keyed = (len(keys), *keys, *arguments)
    confirmation: Commands = (
        ("SET", marker_beside(keys[0]), "", "EX", MARKER_SECONDS),
        ("WAIT", replication.count, max(1, round(replication.seconds * 1000))),
    )
    try:
        answer, _, confirmed = await _on_one_connection(
            redis, keys[0], (("EVALSHA", script.sha, *keyed), *confirmation)
        )
    except exceptions.NoScriptError:
        answer, _, confirmed = await _on_one_connection(redis, keys[0], (("EVAL", script.text, *keyed), *confirmation))
    if not isinstance(confirmed, int) or confirmed < replication.count:
        raise NotConfirmed(f"{confirmed} of {replication.count} replicas have confirmed")
    return answer


async def _on_one_connection(redis: Redis | RedisCluster, key: str, commands: Commands) -> list[object]:
    """The answers to all commands; raises the first error among them."""
    if isinstance(redis, RedisCluster):
        # Any plain command makes the client look up who owns the slot now, if the owner has changed or is away.
        await redis.exists(key)
        node = redis.get_node_from_key(key)
        assert node is not None, "a slot that was just asked has an owner"
        connection = node.acquire_connection()
        try:
            await node.disconnect_if_needed(connection)
            return await _send_all(connection, commands)
        except exceptions.AskError as error:  # it has just moved
            raise NotConfirmed(str(error)) from error
        finally:
            node.release(connection)
    connection = await redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        return await _send_all(connection, commands)
    finally:
        await redis.connection_pool.release(connection)


async def _send_all(connection: AbstractConnection, commands: Commands) -> list[object]:
    try:
        await connection.send_packed_command(connection.pack_commands(commands))
        answers = [await _answer(connection) for _ in commands]
    except BaseException:  # an unread answer would be taken for the answer to the next command
        await connection.disconnect(nowait=True)
        raise
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


async def _answer(connection: AbstractConnection) -> object:
    try:
        return await connection.read_response()
    except exceptions.ResponseError as error:
        return error

"""One way to talk to Redis, alone or as a cluster: scripts, repetition, pipelines, listening connections."""

import asyncio
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from redis import exceptions
from redis.asyncio import RedisCluster
from redis.asyncio.connection import AbstractConnection

from store.client.redis import MultiplexedRedis
from store.client.replication import NotConfirmed, Replication, run_confirmed
from store.client.script import PUBLISH, Script
from store.errors import StoreUnavailable

T = TypeVar("T")
Argument = str | bytes | int
Reply = Any
"""What Redis answers: its shape depends on the command, and the caller knows it."""
Pipeline = Any
"""A pipeline of either client; redis-py gives them no common type."""

log = logging.getLogger(__name__)

OUTAGES = (
    OSError,
    exceptions.ClusterError,
    exceptions.ConnectionError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.RedisClusterException,
    exceptions.TimeoutError,
    exceptions.TryAgainError,
    NotConfirmed,
)
# Refusals that a server takes back when it has loaded its data, has room, or found its disk, its replicas, its cluster
# or its rank again. Redis 6.2 wraps those that befall a command of a script.
PASSING = re.compile(
    r"^(?:Error running script .*: -)?"
    r"(?:BUSY |CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|OOM |READONLY|UNBLOCKED)"
)
READ_ONLY = re.compile(r"^Error running script .*: -READONLY")

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 1.0
DICE = random.SystemRandom()


class Client:
    """Wraps redis-py's client; for `patience` seconds an ordinary call goes on while Redis is away."""

    def __init__(
        self, redis: MultiplexedRedis | RedisCluster, *, patience: float = 2.0, replication: Replication | None = None
    ) -> None:
        self.redis = redis
        self.patience = patience
        self.replication = replication or Replication()
        self.moved_at = float("-inf")
        """When (monotonic) a change last succeeded elsewhere that a server refused because it had become a replica."""

    @property
    def clustered(self) -> bool:
        """Whether the other side is a Redis Cluster."""
        return isinstance(self.redis, RedisCluster)

    async def ask(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run a repeatable call. Raises StoreUnavailable when patience is exhausted."""
        deadline = time.monotonic() + self.patience
        return await self.insist(attempt, lambda: time.monotonic() >= deadline)

    async def insist(self, attempt: Callable[[], Awaitable[T]], give_up: Callable[[], bool]) -> T:
        """Run a repeatable call until Redis answers it. Raises StoreUnavailable once `give_up()` is true."""
        pauses, demoted = _pauses(), False
        while True:
            try:
                answer = await attempt()
            except (AttributeError, exceptions.ResponseError, *OUTAGES) as error:
                if not (_passes(error) or self._is_torn(error)):
                    raise
                if _is_demoted(error):
                    demoted = True
                    await self._part()
                if give_up():
                    raise StoreUnavailable(_reason(error)) from error
                log.warning("no answer from Redis, trying again: %s", _reason(error))
            else:
                if demoted:
                    self.moved_at = time.monotonic()
                return answer
            await asyncio.sleep(next(pauses))

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Reply:
        """Run a script in one round trip; its text travels only to a server that does not know it."""
        try:
            return await self.redis.evalsha(script.sha, len(keys), *keys, *arguments)
        except exceptions.NoScriptError:
            return await self.redis.eval(script.text, len(keys), *keys, *arguments)

    async def change(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Reply:
        """Run a script that changes what may not be lost: it has happened when as many replicas have it as must."""
        if not self.replication.count:
            return await self.run(script, keys, arguments)
        return await run_confirmed(self.redis, self.replication, script, keys, arguments)

    def pipeline(self) -> Pipeline:
        """A pipeline without a transaction; in a cluster its commands go to their nodes side by side."""
        if isinstance(self.redis, RedisCluster):
            return self.redis.pipeline()
        return self.redis.pipeline(transaction=False)

    async def publish(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Publish (channel, key of its slot, payload) triples together, once, without repetition."""
        if not isinstance(self.redis, RedisCluster):
            await asyncio.gather(*(self.redis.submit("PUBLISH", channel, payload) for channel, _, payload in messages))
            return
        pipeline = self.pipeline()
        for channel, key, payload in messages:
            pipeline.eval(PUBLISH.text, 1, key, channel, payload)
        await pipeline.execute()

    async def listener(self) -> AbstractConnection:
        """A connection of its own for pub/sub; in a cluster, where messages reach every node, to any node."""
        if not isinstance(self.redis, RedisCluster):
            return await _connected(self.redis.connection_pool.make_connection())  # type: ignore[no-untyped-call]
        await self.redis.initialize()
        nodes = self.redis.get_nodes()
        for node in DICE.sample(nodes, len(nodes)):
            try:
                return await _connected(node.connection_class(**node.connection_kwargs))
            except OUTAGES as error:
                log.warning("cannot listen on %s: %s", node.name, _reason(error))
        raise exceptions.ConnectionError("no node of the cluster answers")

    def _is_torn(self, error: Exception) -> bool:
        # When redis-py's cluster client learns its nodes anew, it closes connections that other tasks are opening;
        # these stumble over a writer that is None.
        return isinstance(error, AttributeError) and self.clustered

    async def _part(self) -> None:
        """Let go of connections to a server that is a replica now: behind its address may be another one.

        They would stay open for ever, since a replica answers. A cluster's client finds its way by itself.
        """
        if not isinstance(self.redis, RedisCluster):
            with suppress(*OUTAGES):
                await self.redis.part()

    async def aclose(self) -> None:
        """Close every connection."""
        await self.redis.aclose()


async def _connected(connection: AbstractConnection) -> AbstractConnection:
    await connection.connect()  # type: ignore[no-untyped-call]
    # It waits for hours, and its reader sets its own timeouts.
    connection.socket_timeout = None
    return connection


def _passes(error: Exception) -> bool:
    return isinstance(error, OUTAGES) or PASSING.search(str(error)) is not None


def _is_demoted(error: Exception) -> bool:
    return isinstance(error, exceptions.ReadOnlyError) or READ_ONLY.search(str(error)) is not None


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _pauses() -> Iterator[float]:
    longest = FIRST_PAUSE
    while True:
        # Jitter, so that the processes of a cluster do not come back in step.
        yield DICE.uniform(longest / 2, longest)
        longest = min(longest * 2, LONGEST_PAUSE)

"""One way to talk to Redis, a single server or a cluster: repeated calls, scripts, pipelines, listening connections."""

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

from store.client.multiplexed import MultiplexedRedis, PendingReply
from store.client.observer import NoObserver, StoreObserver
from store.client.replication import NotConfirmed, Replication, run_confirmed
from store.client.script import ALL, PUBLISH, Argument, LuaScript
from store.errors import StoreUnavailable

T = TypeVar("T")
Reply = Any
"""What Redis answers: its shape depends on the command, and the caller knows it."""
Pipeline = Any
"""A pipeline of either client; redis-py gives them no common type."""

log = logging.getLogger(__name__)

TRANSIENT_ERRORS = (
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
"""Redis cannot do it now, and may be able to later: it is away, full, a replica, or too few replicas have confirmed."""
# Refusals that a server takes back when it has loaded its data, has room, or has its disk, its replicas, its cluster or
# its role as primary again. Redis 6.2 wraps the error of a command inside a script.
TRANSIENT_REPLY = re.compile(
    r"^(?:Error running script .*: -)?"
    r"(?:BUSY |CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|OOM |READONLY|UNBLOCKED)"
)
READ_ONLY = re.compile(r"^Error running script .*: -READONLY")

FIRST_PAUSE_SECONDS = 0.02
MAX_PAUSE_SECONDS = 1.0
RANDOM = random.SystemRandom()


class Client:
    """Wraps redis-py's client; an ordinary call is repeated for `patience` seconds while Redis is away."""

    def __init__(
        self,
        redis: MultiplexedRedis | RedisCluster,
        *,
        patience: float = 2.0,
        replication: Replication | None = None,
        observer: StoreObserver | None = None,
    ) -> None:
        self.redis = redis
        self.patience = patience
        self.replication = replication or Replication()
        self.observer = observer or NoObserver()
        self._known: set[str] = set()
        self.failed_over_at = float("-inf")
        """When (monotonic) a call last succeeded that a server had refused because it had become a replica."""

    @property
    def clustered(self) -> bool:
        """Whether the other side is a Redis Cluster."""
        return isinstance(self.redis, RedisCluster)

    async def retry(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Make a call that may be repeated. Raises StoreUnavailable when Redis is away longer than `patience`."""
        deadline = time.monotonic() + self.patience
        return await self.retry_until(lambda: time.monotonic() >= deadline, attempt)

    async def retry_until(self, give_up: Callable[[], bool], attempt: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call until Redis answers it. Raises StoreUnavailable once `give_up()` is true."""
        pauses, demoted = _pauses(), False
        while True:
            try:
                answer = await attempt()
            except (AttributeError, exceptions.ResponseError, *TRANSIENT_ERRORS) as error:
                if not (_is_transient(error) or self._is_cluster_refresh(error)):
                    raise
                if _is_demotion(error):
                    demoted = True
                    self.observer.note_trouble("demoted")
                    await self._drop_connections()
                if give_up():
                    self.observer.note_trouble("gave_up")
                    raise StoreUnavailable(_reason(error)) from error
                self.observer.note_trouble("retried")
                log.warning("no answer from Redis, trying again: %s", _reason(error))
            else:
                if demoted:
                    self.failed_over_at = time.monotonic()
                return answer
            await asyncio.sleep(next(pauses))

    async def run(self, script: LuaScript, keys: Sequence[str], arguments: Sequence[Argument]) -> Reply:
        """Run a script in one round trip; its text travels only to a server that does not know it."""
        try:
            return await self.redis.evalsha(script.sha, len(keys), *keys, *arguments)
        except exceptions.NoScriptError:
            return await self.redis.eval(script.text, len(keys), *keys, *arguments)

    def call_before_sending(self, callback: Callable[[], None]) -> bool:
        """Have it called each time just before commands leave; what it submits is in the same packet.

        False where not all changes leave in one order: in a cluster, and where replicas confirm them.
        """
        if isinstance(self.redis, RedisCluster) or self.replication.count:
            return False
        self.redis.call_before_sending(callback)
        return True

    def submit(self, script: LuaScript, keys: Sequence[str], arguments: Sequence[Argument]) -> PendingReply:
        """Send a script to a single server, once; the future fails if the server has forgotten it meanwhile."""
        assert not isinstance(self.redis, RedisCluster), "which node it is, only a call finds out"
        if script.sha in self._known:
            return self.redis.submit("EVALSHA", script.sha, len(keys), *keys, *arguments)
        self._known.add(script.sha)
        return self.redis.submit("EVAL", script.text, len(keys), *keys, *arguments)

    async def load_scripts(self) -> None:
        """Make all scripts known to the server, or to each primary of the cluster. Raises StoreUnavailable."""
        for script in ALL:
            await self.retry(lambda text=script.text: self.redis.script_load(text))  # type: ignore[misc]

    async def run_confirmed(self, script: LuaScript, keys: Sequence[str], arguments: Sequence[Argument]) -> Reply:
        """Run a script whose effect must not be lost: return when as many replicas have it as are asked for."""
        if not self.replication.count:
            return await self.run(script, keys, arguments)
        return await run_confirmed(self.redis, self.replication, script, keys, arguments)

    async def server_time(self) -> int:
        """The clock of the server (ms since 1970), because the clocks of the nodes may differ."""
        seconds, microseconds = await self.retry(self.redis.time)
        return int(seconds) * 1000 + int(microseconds) // 1000

    def pipeline(self) -> Pipeline:
        """A pipeline without a transaction; in a cluster its commands go to their nodes in parallel."""
        if isinstance(self.redis, RedisCluster):
            return self.redis.pipeline()
        return self.redis.plain_pipeline()

    async def publish(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Publish (channel, key of its slot, payload) triples together, once, without repetition."""
        if not isinstance(self.redis, RedisCluster):
            await asyncio.gather(*(self.redis.submit("PUBLISH", channel, payload) for channel, _, payload in messages))
            return
        pipeline = self.pipeline()
        for channel, key, payload in messages:
            pipeline.eval(PUBLISH.text, 1, key, channel, payload)
        await pipeline.execute()

    async def connect_listener(self) -> AbstractConnection:
        """Open a connection for pub/sub; in a cluster, where messages reach every node, to any node."""
        if not isinstance(self.redis, RedisCluster):
            return await _connected(self.redis.connection_pool.make_connection())  # type: ignore[no-untyped-call]
        await self.redis.initialize()
        nodes = self.redis.get_nodes()
        for node in RANDOM.sample(nodes, len(nodes)):
            try:
                return await _connected(node.connection_class(**node.connection_kwargs))
            except TRANSIENT_ERRORS as error:
                log.warning("cannot listen on %s: %s", node.name, _reason(error))
        raise exceptions.ConnectionError("no node of the cluster answers")

    def _is_cluster_refresh(self, error: Exception) -> bool:
        # When redis-py's cluster client looks up its nodes again, it closes connections that other tasks are opening:
        # these tasks then use a writer that is None.
        return isinstance(error, AttributeError) and self.clustered

    async def _drop_connections(self) -> None:
        """Close the connections to a server that is a replica now: its address may lead to another server.

        A replica answers, so they would stay open for ever. The cluster client finds the new primary by itself.
        """
        if not isinstance(self.redis, RedisCluster):
            with suppress(*TRANSIENT_ERRORS):
                await self.redis.drop_connections()

    async def aclose(self) -> None:
        """Close every connection."""
        await self.redis.aclose()


async def _connected(connection: AbstractConnection) -> AbstractConnection:
    await connection.connect()  # type: ignore[no-untyped-call]
    # A listener waits for hours, and its reader sets its own timeouts.
    connection.socket_timeout = None
    return connection


def _is_transient(error: Exception) -> bool:
    return isinstance(error, TRANSIENT_ERRORS) or TRANSIENT_REPLY.search(str(error)) is not None


def _is_demotion(error: Exception) -> bool:
    return isinstance(error, exceptions.ReadOnlyError) or READ_ONLY.search(str(error)) is not None


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _pauses() -> Iterator[float]:
    upper = FIRST_PAUSE_SECONDS
    while True:
        # Jitter, so that the processes of a cluster do not come back all at once.
        yield RANDOM.uniform(upper / 2, upper)
        upper = min(upper * 2, MAX_PAUSE_SECONDS)

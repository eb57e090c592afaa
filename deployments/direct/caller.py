"""The caller's end of direct connections: one to each host that it calls again; Ray's calls do all else."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextvars import Context
from itertools import count
from typing import Any

import structlog

from deployments.direct.connection import (
    HANDSHAKE_SECONDS,
    MAGIC,
    NONCE_BYTES,
    PROOF_BYTES,
    BadFrame,
    ConnectionLost,
    FramedConnection,
    check_proof,
    make_proof,
    new_nonce,
    pack,
    take_hello,
)
from deployments.ray_internals.handles import actor_id
from store import Store, StoreError
from store.registries.endpoints import Endpoint

log = structlog.get_logger(__name__)

Actor = Any
"""A handle of a `HostActor`, or what has its methods."""

METHODS = ("send", "resolve", "cancel", "wake")
"""What is called directly: each may be repeated, so what a lost connection leaves in doubt is called again by Ray."""
MAX_CONNECTIONS = 512
MAX_CALLS = 1024
"""So many wait for one host at most: Ray makes further ones."""
MAX_UNSENT_BYTES = 1024**2
RETRY_SECONDS = 10.0
"""How long Ray's calls serve after a host could not be connected."""


class CallFailed(Exception):
    """The method raised `cause`; like Ray's `RayTaskError`."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(cause)
        self.cause = cause


class DirectConnections:
    """Of one process, by the ids of the hosts' actors: an id belongs to one incarnation, as a handle does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: OrderedDict[str, HostConnection] = OrderedDict()
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, float] = {}

    def prefer(self, actor: Actor) -> Actor:
        """What takes calls for the actor now: a connection, or the handle while there is none or it is full.

        No call waits for a connection: it is opened beside.
        """
        key = actor_id(actor)
        connection = self._open.get(key)
        if connection is None:
            self._begin_opening(key)
            return actor
        self._open.move_to_end(key)
        return DirectActor(connection, actor) if connection.has_room else actor

    async def open(self, actor: Actor) -> None:
        """Return once there is a connection, or it is known that there is none: then Ray's calls serve."""
        key = actor_id(actor)
        if key not in self._open and (opening := self._begin_opening(key)) is not None:
            await asyncio.shield(opening)

    async def aclose(self) -> None:
        """Close all; calls under way are repeated by Ray."""
        for task in self._opening.values():
            task.cancel()
        for connection in list(self._open.values()):
            connection.abort()

    def _begin_opening(self, key: str) -> asyncio.Task[None] | None:
        """The task that opens it; None if it could not be opened a moment ago."""
        loop = asyncio.get_running_loop()
        if key in self._opening:
            return self._opening[key]
        if self._not_before.get(key, 0.0) > loop.time():
            return None
        task = loop.create_task(self._connect(key), name="direct connection", context=Context())
        self._opening[key] = task
        task.add_done_callback(lambda _: self._opening.pop(key))
        return task

    async def _connect(self, key: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                endpoint = await self._store.endpoints.get(key)
                connection = None if endpoint is None else await open_connection(endpoint, lambda: self._forget(key))
        except (OSError, StoreError, TimeoutError, ConnectionLost) as error:
            log.info("no_direct_connection", actor=key, cause=str(error))
            connection = None
        if connection is None:
            self._not_before = {other: until for other, until in self._not_before.items() if until > loop.time()}
            self._not_before[key] = loop.time() + RETRY_SECONDS
            return
        self._open[key] = connection
        if len(self._open) > MAX_CONNECTIONS:
            self._open.popitem(last=False)[1].abort()

    def _forget(self, key: str) -> None:
        self._open.pop(key, None)


async def open_connection(endpoint: Endpoint, at_end: Callable[[], object]) -> "HostConnection":
    """A connection whose both ends are proven. Raises `OSError`, `ConnectionLost`."""
    connection = HostConnection(endpoint.secret, at_end)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: connection, endpoint.address, endpoint.port)
    try:
        await connection.ready
    except BaseException:
        connection.abort()
        raise
    return connection


class HostConnection(FramedConnection):
    """To one host; `ready` once both ends are proven."""

    def __init__(self, secret: bytes, at_end: Callable[[], object]) -> None:
        super().__init__()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._secret = secret
        self._at_end = at_end
        self._nonce = new_nonce()
        self._nonces = b""
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._numbers = count()
        self._is_paused = False

    @property
    def has_room(self) -> bool:
        """Whether it takes one more call."""
        return not self._is_paused and len(self._calls) < MAX_CALLS

    async def call(self, name: str, *arguments: object, **options: object) -> Any:  # noqa: ANN401 - as the method says
        """Raises `CallFailed`; `BadFrame` for a call that is too large; `ConnectionLost`."""
        if self._transport is None:
            raise ConnectionLost("it was closed before")
        number = next(self._numbers)
        frame = pack((number, name, arguments, options))
        answer = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            self.write(frame)
            return await answer
        finally:
            del self._calls[number]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self._transport is not None
        self._transport.set_write_buffer_limits(high=MAX_UNSENT_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._at_end()
        for waiting in (self.ready, *self._calls.values()):
            if not waiting.done():
                waiting.set_exception(ConnectionLost(str(exc or "the host closed it")))

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False

    def shake_hands(self, received: bytearray) -> bool:
        if not self._nonces:
            nonce = take_hello(received, NONCE_BYTES)
            if nonce is None:
                return False
            self._nonces = nonce + self._nonce
            self.write(MAGIC + self._nonce + make_proof(self._secret, "caller", self._nonces))
        if len(received) < PROOF_BYTES:
            return False
        check_proof(bytes(received[:PROOF_BYTES]), make_proof(self._secret, "host", self._nonces))
        del received[:PROOF_BYTES]
        if not self.ready.done():
            self.ready.set_result(None)
        return True

    def take(self, value: Any) -> None:  # noqa: ANN401 - as in the base class
        number, has_failed, answer = value
        waiting = self._calls.get(number)
        if waiting is None or waiting.done():
            return  # its caller has given up
        if has_failed:
            waiting.set_exception(CallFailed(answer))
        else:
            waiting.set_result(answer)


class DirectActor:
    """Has those methods of an actor's handle that are called directly."""

    def __init__(self, connection: HostConnection, actor: Actor) -> None:
        self.send, self.resolve, self.cancel, self.wake = (DirectMethod(connection, actor, name) for name in METHODS)


class DirectMethod:
    """Like a method of Ray's handle, except for errors: `CallFailed` in the place of `RayTaskError`."""

    def __init__(self, connection: HostConnection, actor: Actor, name: str) -> None:
        self._connection = connection
        self._actor = actor
        self._name = name

    async def remote(self, *arguments: object, **options: object) -> Any:  # noqa: ANN401 - as Ray's
        """Ray repeats what was lost with the connection, and says whether the actor lives."""
        try:
            return await self._connection.call(self._name, *arguments, **options)
        except (ConnectionLost, BadFrame) as error:
            log.info("called_by_ray", method=self._name, cause=str(error))
        return await getattr(self._actor, self._name).remote(*arguments, **options)

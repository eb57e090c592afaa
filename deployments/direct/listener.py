"""The host's end of direct connections: it answers calls of the actor's methods, as Ray does."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import Context
from typing import Any

import ray
import structlog

from deployments.direct.connection import (
    HANDSHAKE_SECONDS,
    MAGIC,
    NONCE_BYTES,
    PROOF_BYTES,
    FramedConnection,
    check_proof,
    make_proof,
    new_nonce,
    pack,
    take_hello,
)
from store import Store, StoreError
from store.registries.endpoints import LIFETIME_SECONDS, Endpoint

log = structlog.get_logger(__name__)

Methods = Mapping[str, Callable[..., Awaitable[object]]]
"""By their names; Ray's calls of them carry the same arguments."""

MAX_CONNECTIONS = 1024
"""One for each process that calls this host. Further ones are refused, and Ray's calls serve."""
MAX_UNREAD_BYTES = 16 * 1024**2
"""A caller that leaves more unread loses its connection."""
ANSWER_SECONDS = 10.0
"""How long a host that ends waits for the answers under way: no caller waits longer."""
RETRY_SECONDS = 5.0


class Listener:
    """Of one host. Its secret is in the store: only a process that may read the logs may call the host."""

    def __init__(self, store: Store, methods: Methods) -> None:
        self.methods = methods
        self.secret = secrets.token_bytes(32)
        self.callers = set[Caller]()
        self.has_ended = False
        self._store = store
        self._actor = ""
        self._server: asyncio.Server | None = None
        self._is_announced = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Take calls from now on, unless it does; returns at once."""
        if self._task is None and not self.has_ended:
            # Its own context: else each call would inherit that of the conversation that was activated first.
            self._task = asyncio.get_running_loop().create_task(self._run(), name="listener", context=Context())

    async def wait_until_announced(self, seconds: float) -> None:
        """Return once callers can find this host, after so many seconds at the latest."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_announced.wait(), seconds)

    async def aclose(self) -> None:
        """Take no further connections, finish the answers under way, and end; callers go on with Ray's calls."""
        self.has_ended = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._server is not None:
            self._server.close()
            with suppress(StoreError):
                await self._store.endpoints.forget(self._actor)
        if answers := [answer for caller in self.callers for answer in caller.answers]:
            await asyncio.wait(answers, timeout=ANSWER_SECONDS)
        for caller in self.callers:
            caller.close()

    async def _run(self) -> None:
        try:
            endpoint = await self._listen()
        except OSError as error:
            log.warning("no_direct_connections", cause=str(error))
            self._is_announced.set()  # that is all that callers will find
            return
        while True:
            try:
                await self._store.endpoints.announce(self._actor, endpoint)
            except StoreError as error:
                log.info("endpoint_not_announced", cause=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._is_announced.set()
                await asyncio.sleep(LIFETIME_SECONDS / 3)

    async def _listen(self) -> Endpoint:
        self._actor = ray.get_runtime_context().get_actor_id() or ""
        address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]  # Ray has no type for it
        self._server = await asyncio.get_running_loop().create_server(lambda: Caller(self), address, 0)
        return Endpoint(address, self._server.sockets[0].getsockname()[1], self.secret)


class Caller(FramedConnection):
    """The connection of one caller; a stranger has some seconds, in which it is heard and no more."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self.answers = set[asyncio.Task[None]]()
        self._listener = listener
        self._nonce = new_nonce()
        self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_SECONDS, self.abort)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._listener.has_ended or len(self._listener.callers) >= MAX_CONNECTIONS:
            self.abort()
            return
        self._listener.callers.add(self)
        assert self._transport is not None
        self._transport.set_write_buffer_limits(high=MAX_UNREAD_BYTES)
        self.write(MAGIC + self._nonce)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._timer.cancel()
        self._listener.callers.discard(self)

    def pause_writing(self) -> None:
        log.warning("direct_caller_too_slow")
        self.abort()

    def shake_hands(self, received: bytearray) -> bool:
        hello = take_hello(received, NONCE_BYTES + PROOF_BYTES)
        if hello is None:
            return False
        nonces, secret = self._nonce + hello[:NONCE_BYTES], self._listener.secret
        check_proof(hello[NONCE_BYTES:], make_proof(secret, "caller", nonces))
        self._timer.cancel()
        self.write(make_proof(secret, "host", nonces))
        return True

    def take(self, value: Any) -> None:  # noqa: ANN401 - as in the base class
        number, name, arguments, options = value
        answer = asyncio.create_task(self._answer(number, self._listener.methods[name](*arguments, **options)))
        self.answers.add(answer)
        answer.add_done_callback(self.answers.discard)

    async def _answer(self, number: int, call: Awaitable[object]) -> None:
        value: object
        try:
            value, has_failed = await call, False
        except Exception as error:  # noqa: BLE001 - it is the caller's to handle
            value, has_failed = error, True
        try:
            self.write(pack((number, has_failed, value)))
        except Exception as error:  # noqa: BLE001 - pickling may raise anything
            self.write(pack((number, True, RuntimeError(f"{type(value).__name__} cannot be sent: {error!r}"))))

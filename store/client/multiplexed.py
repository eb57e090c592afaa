"""All single commands of a process on one connection: commands of one moment leave together, replies come in order."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import AbstractConnection
from redis.typing import EncodableT

from store.client.connection import packed

CLOSED = "this client was closed"
SECOND_LOOK_SECONDS = 0.05

PendingReply = asyncio.Future[Any]

log = logging.getLogger(__name__)


class MultiplexedConnection:
    """Opened by the first command, and again by the first one after it broke; belongs to one event loop.

    A pool lends a connection to each command, which costs four times as much as the command, and needs a connection
    for each command that waits. Here no caller holds the connection: a caller that is cancelled only does not get its
    reply. When the connection breaks, or a reply is `timeout` seconds late, all commands under way fail. Commands
    that block must not be sent here.
    """

    def __init__(self, open_connection: Callable[[], Awaitable[AbstractConnection]], timeout: float) -> None:
        self._open_connection = open_connection
        self._timeout = timeout
        self._unsent: list[tuple[list[bytes], PendingReply]] = []
        self._sent: deque[tuple[float, PendingReply]] = deque()
        self._has_unsent = asyncio.Event()
        self._before_sending: list[Callable[[], None]] = []
        self._serving: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timed_out = False
        self._closed = False

    def submit(self, *command: EncodableT) -> PendingReply:
        """Send a command, soon; the future gets its reply, or the error that redis-py raises for it."""
        reply: PendingReply = asyncio.get_running_loop().create_future()
        if self._closed:
            reply.set_exception(exceptions.ConnectionError(CLOSED))
            return reply
        self._unsent.append((packed(command), reply))
        self._has_unsent.set()
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve(), name="store multiplexer")
        return reply

    def call_before_sending(self, callback: Callable[[], None]) -> None:
        """Have it called each time just before commands leave; what it submits itself leaves together with them."""
        self._before_sending.append(callback)

    async def aclose(self) -> None:
        """Close the connection for good."""
        self._closed = True
        await self.disconnect()

    async def disconnect(self) -> None:
        """Close the connection: every command under way gets a ConnectionError, the next command opens a new one."""
        serving = self._serving
        if serving is None:
            return
        while not serving.done():
            serving.cancel()  # once is not enough while it connects, see store/client/connection.py
            await asyncio.wait({serving}, timeout=0.1)
        if self._serving is serving:  # it had not even begun
            self._fail_all(exceptions.ConnectionError(CLOSED))

    async def _serve(self) -> None:
        """Until the connection breaks, or was never made."""
        cause: exceptions.RedisError = exceptions.ConnectionError(CLOSED)
        try:
            connection = await self._open_connection()
            writer = asyncio.create_task(self._write(connection))
            try:
                await self._read(connection)
            finally:
                writer.cancel()
                await connection.disconnect(nowait=True)
        except asyncio.CancelledError:
            if not self._timed_out:
                raise
            cause = exceptions.TimeoutError("the server does not answer")
        except exceptions.RedisError as error:
            cause = error
        except Exception as error:
            log.exception("the line to Redis broke")
            cause = exceptions.ConnectionError(str(error))
        finally:
            self._fail_all(cause)

    async def _write(self, connection: AbstractConnection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._has_unsent.wait()
            for callback in self._before_sending:
                callback()
            self._has_unsent.clear()
            now = loop.time()
            pieces = [piece for command, _ in self._unsent for piece in command]
            self._sent.extend((now, reply) for _, reply in self._unsent)
            self._unsent.clear()
            if self._timer is None:
                self._timer = loop.call_later(self._timeout, self._check_timeout)
            try:
                await connection.send_packed_command([b"".join(pieces)], check_health=False)
            except (exceptions.RedisError, OSError) as error:
                log.warning("cannot write to Redis: %s", error)
                return  # the reader notices

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            answer: Any
            try:
                answer = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
            except exceptions.ResponseError as error:  # a reply as well
                answer = error
            _, reply = self._sent.popleft()
            if reply.done():  # its caller was cancelled
                continue
            if isinstance(answer, exceptions.ResponseError):
                reply.set_exception(answer)
            else:
                reply.set_result(answer)

    def _check_timeout(self, *, is_second_look: bool = False) -> None:
        """End the connection when the oldest command has waited too long, else check again when it will have.

        It is looked at twice: when this process was stopped or busy for so long, the answer is there and yet unread.
        """
        self._timer = None
        if not self._sent or self._serving is None:
            return
        loop = asyncio.get_running_loop()
        due = self._sent[0][0] + self._timeout
        if due > loop.time():
            self._timer = loop.call_at(due, self._check_timeout)
        elif not is_second_look:
            self._timer = loop.call_later(SECOND_LOOK_SECONDS, partial(self._check_timeout, is_second_look=True))
        else:
            self._timed_out = True
            self._serving.cancel()

    def _fail_all(self, cause: exceptions.RedisError) -> None:
        waiting = [*(reply for _, reply in self._sent), *(reply for _, reply in self._unsent)]
        self._sent.clear()
        self._unsent.clear()
        self._has_unsent.clear()
        self._serving, self._timed_out = None, False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for reply in waiting:
            if not reply.done():  # each gets its own exception: one that is raised twice would grow two tracebacks
                reply.set_exception(type(cause)(*cause.args))


class MultiplexedPipeline(Pipeline):
    """Commands that leave together, without a transaction.

    A connection of their own would be lent for the time, and opened first wherever many pipelines run at once.
    """

    def __init__(self, redis: "MultiplexedRedis") -> None:
        super().__init__(redis.connection_pool, redis.response_callbacks, transaction=False, shard_hint=None)
        self._redis = redis

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """The replies in the shapes that redis-py gives them; raises the first error among them."""
        commands, self.command_stack = self.command_stack, []
        submitted = [self._redis.submit(*command) for command, _ in commands]
        replies = await asyncio.gather(*submitted, return_exceptions=True)
        if raise_on_error:
            for reply in replies:
                if isinstance(reply, BaseException):
                    raise reply
        return [
            self._redis.shaped(reply, command[0], options)
            for reply, (command, options) in zip(replies, commands, strict=True)
        ]


class MultiplexedRedis(Redis):
    """redis-py's client for one server, with its commands multiplexed; transactions use connections of the pool."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - redis-py's own
        super().__init__(*arguments, **options)
        timeout: float = self.connection_pool.connection_kwargs["socket_timeout"]
        self._multiplexed = MultiplexedConnection(self._open_connection, timeout)

    def submit(self, *command: EncodableT) -> PendingReply:
        """Send a command; the reply comes as the server gave it."""
        return self._multiplexed.submit(*command)

    def call_before_sending(self, callback: Callable[[], None]) -> None:
        """Have it called each time just before single commands leave; what it submits leaves together with them."""
        self._multiplexed.call_before_sending(callback)

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as redis-py declares it
        """The reply in the shape that redis-py gives it."""
        return self.shaped(await self._multiplexed.submit(*args), args[0], options)

    def shaped(self, reply: Any, command: Any, options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - as redis-py
        """The reply as redis-py gives it; an error stays as it is."""
        shape = self.response_callbacks.get(command)
        if shape is None or isinstance(reply, BaseException):
            return reply
        # The keys are for a cache of redis-py's.
        return shape(reply, **{name: value for name, value in options.items() if name != "keys"})

    def plain_pipeline(self) -> MultiplexedPipeline:
        """A pipeline without a transaction."""
        return MultiplexedPipeline(self)

    async def drop_connections(self) -> None:
        """Close the multiplexed connection and the idle ones of the pool; the next command opens a new one."""
        await self._multiplexed.disconnect()
        await self.connection_pool.disconnect(inuse_connections=False)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await self._multiplexed.aclose()
        await super().aclose(close_connection_pool)

    async def _open_connection(self) -> AbstractConnection:
        connection: AbstractConnection = self.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        await connection.connect()  # type: ignore[no-untyped-call]
        return connection

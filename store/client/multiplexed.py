"""One connection for all commands of a process: those of one moment leave together, and replies come in their order."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from redis import exceptions
from redis.asyncio.connection import AbstractConnection
from redis.typing import EncodableT

from store.client.connection import packed

CLOSED = "this client was closed"

Reply = asyncio.Future[Any]

log = logging.getLogger(__name__)


class MultiplexedConnection:
    """Opened by the first command, and again by the first one after it broke; belongs to one event loop.

    A pool lends a connection to each command, which costs four times as much as the command, and a connection for
    each that waits. Here nobody holds anything: who is cancelled just does not hear the reply, and a line that breaks,
    or on which a reply is `timeout` seconds late, fails whatever is under way. Commands that block have no place here.
    """

    def __init__(self, dial: Callable[[], Awaitable[AbstractConnection]], timeout: float) -> None:
        self._dial = dial
        self._timeout = timeout
        self._unsent: list[tuple[list[bytes], Reply]] = []
        self._sent: deque[tuple[float, Reply]] = deque()
        self._more = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._late = False
        self._closed = False

    def submit(self, *command: EncodableT) -> Reply:
        """Send a command, soon; the future is its reply, or what redis-py raises for it."""
        reply: Reply = asyncio.get_running_loop().create_future()
        if self._closed:
            reply.set_exception(exceptions.ConnectionError(CLOSED))
            return reply
        self._unsent.append((packed(command), reply))
        self._more.set()
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve(), name="store line")
        return reply

    async def aclose(self) -> None:
        """Hang up, for good."""
        self._closed = True
        await self.hang_up()

    async def hang_up(self) -> None:
        """Whoever still waits for a reply gets a ConnectionError; the next command dials anew."""
        serving = self._serving
        if serving is None:
            return
        while not serving.done():
            serving.cancel()  # once is not enough while it connects, see store/client/connection.py
            await asyncio.wait({serving}, timeout=0.1)
        if self._serving is serving:  # it had not even begun
            self._break(exceptions.ConnectionError(CLOSED))

    async def _serve(self) -> None:
        """Until the connection breaks, or was never made."""
        cause: exceptions.RedisError = exceptions.ConnectionError(CLOSED)
        try:
            connection = await self._dial()
            writer = asyncio.create_task(self._write(connection))
            try:
                await self._read(connection)
            finally:
                writer.cancel()
                await connection.disconnect(nowait=True)
        except asyncio.CancelledError:
            if not self._late:
                raise
            cause = exceptions.TimeoutError("the server does not answer")
        except exceptions.RedisError as error:
            cause = error
        except Exception as error:
            log.exception("the line to Redis broke")
            cause = exceptions.ConnectionError(str(error))
        finally:
            self._break(cause)

    async def _write(self, connection: AbstractConnection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._more.wait()
            self._more.clear()
            now = loop.time()
            pieces = [piece for command, _ in self._unsent for piece in command]
            self._sent.extend((now, reply) for _, reply in self._unsent)
            self._unsent.clear()
            if self._watch is None:
                self._watch = loop.call_later(self._timeout, self._look)
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
            if reply.done():
                continue
            if isinstance(answer, exceptions.ResponseError):
                reply.set_exception(answer)
            else:
                reply.set_result(answer)

    def _look(self) -> None:
        """Hang up when the oldest command has waited too long, else look again when it will have."""
        self._watch = None
        if not self._sent or self._serving is None:
            return
        loop = asyncio.get_running_loop()
        due = self._sent[0][0] + self._timeout
        if due > loop.time():
            self._watch = loop.call_at(due, self._look)
        else:
            self._late = True
            self._serving.cancel()

    def _break(self, cause: exceptions.RedisError) -> None:
        waiting = [*(reply for _, reply in self._sent), *(reply for _, reply in self._unsent)]
        self._sent.clear()
        self._unsent.clear()
        self._more.clear()
        self._serving, self._late = None, False
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for reply in waiting:
            if not reply.done():  # each gets an exception of its own: raised twice, one would grow two tracebacks
                reply.set_exception(type(cause)(*cause.args))

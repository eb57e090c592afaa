"""The load client: HTTP and server-sent events with little CPU time; every subject gets the same bytes."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import orjson

from benchmarks.model import PACED
from benchmarks.subjects import Subject

READ_BYTES = 65_536
MAX_TURN_SECONDS = 120.0
BUSY = ("503", "409", "429")
MAX_TRIES, PAUSE_SECONDS = 20, 2.0
FIRST_TOKEN = b"event: text_delta"
COMPLETED = b"event: turn_completed"
FAILED = b"event: turn_failed"
SNAPSHOT = b"event: snapshot"
HEAD_END = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
QUESTION = "Please tell me something about the sea, in about fifty words."


class BrokenTurn(Exception):
    """A turn did not end as it must, so its figures would mean nothing."""

    def __init__(self, received: str) -> None:
        super().__init__(received)
        self.received = received
        self.status = received[9:12]


class CannotBegin(Exception):
    """The service stayed too busy for a conversation's first turn."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message whose turn was watched on another connection, in seconds since the request was written."""

    acknowledged: float
    first_token: float


@dataclass(frozen=True, slots=True)
class Timing:
    """One turn, in seconds since the request was written."""

    first_token: float
    whole: float


class ChatClient:
    """One user with one conversation, on one keep-alive connection; made by `begin`."""

    def __init__(self, subject: Subject, conversation_id: str, *, paced: bool = False) -> None:
        parts = urlsplit(subject.url)
        assert parts.hostname is not None
        assert parts.port is not None
        self.id = conversation_id
        self._subject = subject
        self._address = (parts.hostname, parts.port)
        body = orjson.dumps({"text": f"{QUESTION} {PACED}" if paced else QUESTION})
        request = f"POST /v1/conversations/{conversation_id}/messages HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        credentials = "".join(f"{name}: {value}\r\n" for name, value in subject.service.headers.items())
        head = f"{request}{credentials}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._watched = f"{head}Accept: text/event-stream\r\n\r\n".encode() + body
        self._unwatched = f"{head}\r\n".encode() + body
        stream = f"GET /v1/conversations/{conversation_id}/events HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        self._watch = f"{stream}{credentials}Accept: text/event-stream\r\n\r\n".encode()
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @classmethod
    async def begin(cls, subject: Subject, *, paced: bool = False, agent: str | None = None) -> Self:
        """Create a conversation; nothing runs for it until its first turn."""
        return cls(subject, await subject.create(agent), paced=paced)

    async def turn(self) -> Timing:
        """Send the message, read the stream to its end. Raises `BrokenTurn`.

        A proxy that reads a new configuration closes its keep-alive connections. A request at that moment gets no
        answer at all, and is sent again on a new connection, as a browser does.
        """
        earlier = self._connection
        try:
            return await self._turn()
        except BrokenTurn as error:
            if error.received or self._connection is not earlier:
                raise
        await self.aclose()
        return await self._turn()

    async def _turn(self) -> Timing:
        async with asyncio.timeout(MAX_TURN_SECONDS):
            reader, writer = await self._connect()
            begin = time.perf_counter()
            writer.write(self._watched)
            return await _read_turn(reader, begin)

    async def first_turn(self) -> Timing:
        """The turn that starts the conversation; repeated while the service is too busy for it."""
        begin = time.perf_counter()
        for _ in range(MAX_TRIES):
            waited = time.perf_counter() - begin
            try:
                timing = await self.turn()
            except BrokenTurn as error:
                if error.status not in BUSY:
                    raise
                await self.aclose()
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return Timing(waited + timing.first_token, waited + timing.whole)
        raise CannotBegin

    async def acknowledge(self) -> float:
        """Send the message without watching; returns the seconds until it is acknowledged. Raises `BrokenTurn`."""
        async with asyncio.timeout(MAX_TURN_SECONDS):
            reader, writer = await self._connect()
            begin = time.perf_counter()
            writer.write(self._unwatched)
            received = await reader.readuntil(HEAD_END)
            seconds = time.perf_counter() - begin
        if not received.startswith(b"HTTP/1.1 202"):
            raise BrokenTurn(received.decode(errors="replace"))
        await self._disconnect()
        return seconds

    async def watch(self) -> None:
        """Open the conversation's event stream on a connection of its own, as the page does. Raises `BrokenTurn`."""
        async with asyncio.timeout(MAX_TURN_SECONDS):
            reader, writer = self._stream = await asyncio.open_connection(*self._address)
            writer.write(self._watch)
            received = await reader.readuntil(SNAPSHOT)
        if not received.startswith(b"HTTP/1.1 200"):
            raise BrokenTurn(received.decode(errors="replace"))

    async def send(self) -> Sent:
        """Send the message, and follow its turn on the stream that `watch` has opened. Raises `BrokenTurn`."""
        assert self._stream is not None
        begin = time.perf_counter()
        first_token, acknowledged = await asyncio.gather(_follow_turn(self._stream[0], begin), self.acknowledge())
        return Sent(acknowledged, first_token)

    async def read_pieces(self) -> AsyncIterator[bytes]:
        """Send the message; yields the stream of the turn until its end or the end of the connection."""
        reader, writer = await self._connect()
        writer.write(self._watched)
        tail = b""
        while not tail.endswith(LAST_CHUNK):
            piece = await reader.read(READ_BYTES)
            if not piece:
                return
            yield piece
            tail = (tail + piece)[-len(LAST_CHUNK) :]

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The open connection, or a new one if the server has closed it after a long silence."""
        if self._connection is not None and self._connection[0].at_eof():
            await self.aclose()
        if self._connection is None:
            self._connection = await asyncio.open_connection(*self._address)
        return self._connection

    async def aclose(self) -> None:
        """Close the connections; the conversation stays."""
        await self._disconnect()
        opened, self._stream = self._stream, None
        await _close(opened)

    async def _disconnect(self) -> None:
        """Close the connection for messages."""
        opened, self._connection = self._connection, None
        await _close(opened)


@asynccontextmanager
async def chats(subject: Subject) -> AsyncIterator[list[ChatClient]]:
    """An empty list for clients; at the end they are closed and their conversations deleted."""
    clients: list[ChatClient] = []
    try:
        yield clients
    finally:
        for chat in clients:
            await chat.aclose()
        await subject.delete([chat.id for chat in clients])


async def _close(opened: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None) -> None:
    if opened is not None:
        opened[1].close()
        with suppress(ConnectionError):
            await opened[1].wait_closed()


async def _follow_turn(reader: asyncio.StreamReader, begin: float) -> float:
    """Read a stream until the end of the turn; the seconds from `begin` to its first token."""
    received = bytearray()
    first_token = 0.0
    async with asyncio.timeout(MAX_TURN_SECONDS):
        while COMPLETED not in received:
            piece = await reader.read(READ_BYTES)
            received += piece
            if not first_token and FIRST_TOKEN in received:
                first_token = time.perf_counter() - begin
            if not piece or FAILED in received:
                raise BrokenTurn(received.decode(errors="replace"))
    if not first_token:
        raise BrokenTurn(received.decode(errors="replace"))
    return first_token


async def _read_turn(reader: asyncio.StreamReader, begin: float) -> Timing:
    """Read until the last chunk; chunks are not decoded, markers are searched in the raw bytes."""
    received = bytearray()
    first_token = 0.0
    while not received.endswith(LAST_CHUNK):
        try:
            piece = await reader.read(READ_BYTES)
        except ConnectionError:
            piece = b""
        received += piece
        if not first_token and FIRST_TOKEN in received:
            first_token = time.perf_counter() - begin
        if not piece or not received.startswith(b"HTTP/1.1 200"):
            raise BrokenTurn(received.decode(errors="replace"))
    whole = time.perf_counter() - begin
    if not first_token or COMPLETED not in received:
        raise BrokenTurn(received.decode(errors="replace"))
    return Timing(first_token, whole)

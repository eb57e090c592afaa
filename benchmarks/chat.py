"""The load client: the cheapest that speaks HTTP and server-sent events, the same bytes to every subject."""

import asyncio
import time
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import httpx
import orjson

READ_BYTES = 65_536
TURN_SECONDS = 60.0
BUSY = ("503", "409")
PATIENCE, PAUSE_SECONDS = 20, 2.0
FIRST_TOKEN = b"event: text_delta"
COMPLETED = b"event: turn_completed"
LAST_CHUNK = b"0\r\n\r\n"
QUESTION = "Please tell me something about the sea, in about fifty words."


class BrokenTurn(Exception):
    """A turn did not end as it must; the figures would be worth nothing."""

    def __init__(self, received: str) -> None:
        super().__init__(received)
        self.status = received[9:12]


class CannotBegin(Exception):
    """The service stayed too busy for a conversation's first turn."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One turn, in seconds since the request was written."""

    first_token: float
    whole: float


class Chat:
    """One user with one conversation, on one connection that is kept; make it with `begin`."""

    def __init__(self, url: str, conversation_id: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._address = (parts.hostname, parts.port)
        body = orjson.dumps({"text": QUESTION})
        head = (
            f"POST /v1/conversations/{conversation_id}/messages HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Type: application/json\r\nAccept: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._request = head.encode() + body
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @classmethod
    async def begin(cls, url: str) -> Self:
        """Create a conversation; nothing runs for it until its first turn."""
        async with httpx.AsyncClient(timeout=TURN_SECONDS) as client:
            response = await client.post(f"{url}/v1/conversations", json={})
        response.raise_for_status()
        return cls(url, response.json()["id"])

    async def turn(self) -> Timing:
        """Send the message, read the stream to its end. Raises `BrokenTurn`."""
        async with asyncio.timeout(TURN_SECONDS):
            reader, writer = await self._connected()
            begin = time.perf_counter()
            writer.write(self._request)
            return await _read_turn(reader, begin)

    async def first_turn(self) -> Timing:
        """A turn that starts the conversation; when the service is too busy for it, it is asked again, as it says."""
        begin = time.perf_counter()
        for _ in range(PATIENCE):
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

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The kept connection, or a new one when the server has closed it in a long silence."""
        if self._connection is not None and self._connection[0].at_eof():
            await self.aclose()
        if self._connection is None:
            self._connection = await asyncio.open_connection(*self._address)
        return self._connection

    async def aclose(self) -> None:
        if self._connection is not None:
            _, writer = self._connection
            self._connection = None
            writer.close()
            await writer.wait_closed()


async def _read_turn(reader: asyncio.StreamReader, begin: float) -> Timing:
    """Chunked bodies are not decoded: markers are looked for in the bytes as they come."""
    received = bytearray()
    first_token = 0.0
    while not received.endswith(LAST_CHUNK):
        piece = await reader.read(READ_BYTES)
        received += piece
        if not first_token and FIRST_TOKEN in received:
            first_token = time.perf_counter() - begin
        if not piece or not received.startswith(b"HTTP/1.1 200"):
            raise BrokenTurn(received.decode(errors="replace"))
    whole = time.perf_counter() - begin
    if not first_token or COMPLETED not in received:
        raise BrokenTurn(received.decode(errors="replace"))
    return Timing(first_token, whole)

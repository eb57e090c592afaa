"""Server-sent events: wire objects as frames, heartbeats in the silence and an end with the reader."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack

import orjson
import structlog
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from deployments.ingress.streams.draining import Draining
from deployments.ingress.streams.watcher_state import Event
from store import StoreError

log = structlog.get_logger(__name__)

HEARTBEAT = b": heartbeat\n\n"
END = b""
RECONNECT = b'event: reconnect\nretry: 100\ndata: {"type":"reconnect"}\n\n'
"""The replica goes, the conversation does not: connect again at once, from the last event id."""
READ_AHEAD, SMALL = 64, 4096
"""So many frames wait for a client at most; one with more bytes than a small one waits for those before it to leave."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def frame(event: Event) -> bytes:
    """One event; a logged one carries its seq as the id to resume from."""
    head = f"id: {event['seq']}\n" if "v" in event else ""
    return b"%bevent: %b\ndata: %b\n\n" % (head.encode(), event["type"].encode(), orjson.dumps(dict(event)))


class EventStream(StreamingResponse):
    """A stream that lets go of `held` at its end, also when the client is gone before it began."""

    def __init__(
        self, events: AsyncGenerator[Event, None], heartbeat: float, held: AsyncExitStack, draining: Draining
    ) -> None:
        super().__init__(_frames(events, heartbeat, draining), headers=HEADERS, media_type="text/event-stream")
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


async def _frames(events: AsyncGenerator[Event, None], heartbeat: float, draining: Draining) -> AsyncIterator[bytes]:
    """Frames as events come; those that come together leave as one piece, since every piece is a system call."""
    ready: asyncio.Queue[bytes] = asyncio.Queue(READ_AHEAD)
    reading = asyncio.create_task(_read(events, ready))

    def send_elsewhere() -> None:
        reading.cancel()
        while not ready.empty():  # the client asks again for what comes after the last event that it has seen
            ready.get_nowait()
        ready.put_nowait(RECONNECT)

    draining.attend(send_elsewhere)
    try:
        while True:
            try:
                async with asyncio.timeout(heartbeat):
                    pieces = [await ready.get()]
            except TimeoutError:
                yield HEARTBEAT
                continue
            while not ready.empty():
                pieces.append(ready.get_nowait())
            if together := b"".join(pieces):
                yield together
            if pieces[-1] in (END, RECONNECT):
                return
            for _ in pieces:
                ready.task_done()
    finally:
        draining.release(send_elsewhere)
        reading.cancel()
        await asyncio.wait({reading})
        await events.aclose()


async def _read(events: AsyncGenerator[Event, None], ready: asyncio.Queue[bytes]) -> None:
    """Reads ahead a little, then waits for the client; one that is too slow is dropped to the snapshot behind it."""
    try:
        async for event in events:
            piece = frame(event)
            if len(piece) > SMALL:
                await ready.join()
            await ready.put(piece)
    except StoreError as error:
        log.info("stream_ended", cause=str(error))  # the client comes back and is told why
    except Exception:
        log.exception("stream_failed")
    await ready.put(END)

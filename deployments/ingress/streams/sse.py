"""Server-sent events: wire events as frames, heartbeats in the silence, and an end that frees what a stream holds."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack

import orjson
import structlog
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from deployments.ingress.streams.open_streams import StreamEnds
from deployments.ingress.streams.watcher_state import WireEvent
from store import StoreError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = b": heartbeat\n\n"
END = b""
RECONNECT = b'event: reconnect\nretry: 100\ndata: {"type":"reconnect"}\n\n'
"""This replica stops, the conversation goes on: connect again at once, from the last event id."""
MAX_FRAMES_AHEAD = 64
"""So many frames wait for a client at most."""
MAX_SMALL_FRAME_BYTES = 4096
"""A larger frame waits until all frames before it have left."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def accepts_event_stream(request: Request) -> bool:
    return MEDIA_TYPE in request.headers.get("accept", "")


def to_frame(event: WireEvent) -> bytes:
    """One event; a logged one carries its seq as the id to resume from, one of a personal feed its `id`."""
    position = event["seq"] if "v" in event else event.get("id")
    head = f"id: {position}\n" if position is not None else ""
    return b"%bevent: %b\ndata: %b\n\n" % (head.encode(), event["type"].encode(), orjson.dumps(dict(event)))


class EventStreamResponse(StreamingResponse):
    """Frees what is in `held` at its end, also when the client has left before it began."""

    def __init__(
        self, events: AsyncGenerator[WireEvent, None], heartbeat: float, held: AsyncExitStack, ends: StreamEnds
    ) -> None:
        super().__init__(_frames(events, heartbeat, ends), headers=HEADERS, media_type=MEDIA_TYPE)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


async def _frames(events: AsyncGenerator[WireEvent, None], heartbeat: float, ends: StreamEnds) -> AsyncIterator[bytes]:
    """Frames as events come; several that are ready leave as one piece, since every piece is a system call."""
    ready: asyncio.Queue[bytes] = asyncio.Queue(MAX_FRAMES_AHEAD)
    reading = asyncio.create_task(_read_ahead(events, ready))

    def send_elsewhere() -> None:
        reading.cancel()
        while not ready.empty():  # the client asks again for what comes after the last event that it has seen
            ready.get_nowait()
        ready.put_nowait(RECONNECT)

    ends.add_stream(send_elsewhere)
    try:
        while True:
            try:
                async with asyncio.timeout(heartbeat):
                    frames = [await ready.get()]
            except TimeoutError:
                yield HEARTBEAT
                continue
            while not ready.empty():
                frames.append(ready.get_nowait())
            if together := b"".join(frames):
                yield together
            if frames[-1] in (END, RECONNECT):
                return
            for _ in frames:
                ready.task_done()
    finally:
        ends.remove_stream(send_elsewhere)
        reading.cancel()
        await asyncio.wait({reading})
        await events.aclose()


async def _read_ahead(events: AsyncGenerator[WireEvent, None], ready: asyncio.Queue[bytes]) -> None:
    """Read a little ahead, then wait for the client.

    While this waits, the subscription behind `events` overflows, and a client that is too slow gets a new snapshot.
    """
    try:
        async for event in events:
            frame = to_frame(event)
            if len(frame) > MAX_SMALL_FRAME_BYTES:
                await ready.join()
            await ready.put(frame)
    except StoreError as error:
        log.info("stream_ended", cause=str(error))  # the client comes back and is told why
    except Exception:
        log.exception("stream_failed")
    await ready.put(END)

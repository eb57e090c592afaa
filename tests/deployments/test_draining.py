"""A replica that is to stop: first it is not ready, then its streams are sent elsewhere, without a gap."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack

import pytest

from deployments.ingress.streams.draining import Draining
from deployments.ingress.streams.sse import MAX_FRAMES_AHEAD, RECONNECT, EventStreamResponse
from deployments.ingress.streams.watcher_state import WireEvent


@pytest.fixture(autouse=True)
def short_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.ingress.streams.draining.NOTICE_SECONDS", 0.05)


async def logged(first: int, last: int) -> AsyncGenerator[WireEvent, None]:
    """The events of a log, and then silence."""
    for seq in range(first, last + 1):
        yield {"type": "user_msg", "v": 2, "seq": seq}
    await asyncio.Event().wait()


def frames(events: AsyncGenerator[WireEvent, None], draining: Draining) -> AsyncIterator[bytes]:
    stream = EventStreamResponse(events, 60.0, AsyncExitStack(), draining)
    body: AsyncIterator[bytes] = stream.body_iterator  # type: ignore[assignment]  # what we gave it
    return body


async def test_it_is_not_ready_before_its_streams_end(caplog: pytest.LogCaptureFixture) -> None:
    draining = Draining()
    body = frames(logged(1, 1), draining)
    assert b"id: 1\n" in await anext(body)
    rest = asyncio.create_task(anext(body))
    await asyncio.sleep(0)

    draining.begin()
    draining.begin()

    assert draining.has_begun
    assert not rest.done()
    assert await rest == RECONNECT
    with pytest.raises(StopAsyncIteration):
        await anext(body)


async def test_a_stream_that_begins_late_is_sent_elsewhere_too() -> None:
    draining = Draining()
    draining.begin()
    await asyncio.sleep(0.1)
    assert [frame async for frame in frames(logged(1, 0), draining)] == [RECONNECT]


async def test_a_slow_client_gets_what_it_has_not_seen_from_the_next_stream() -> None:
    draining = Draining()
    body = frames(logged(1, 10 * MAX_FRAMES_AHEAD), draining)
    seen = (await anext(body)).count(b"id: ")
    await asyncio.sleep(0.01)  # the stream reads ahead of its reader
    draining.begin()
    await asyncio.sleep(0.1)
    assert [frame async for frame in body] == [RECONNECT]
    assert 0 < seen < 10 * MAX_FRAMES_AHEAD

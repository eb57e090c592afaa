"""The live publisher: events that gather are merged and bounded, and reach their readers in order."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from store import Store, connect
from store.keys import Keys
from store.live.publisher import MAX_CONVERSATIONS, MAX_EVENTS, MAX_MERGED_CHARACTERS, Buffer, LivePublisher
from tests.servers.process import RedisServer
from tests.support.recording_client import RecordingClient, delta, notice


def test_consecutive_deltas_become_one() -> None:
    buffer = Buffer(1)
    first = delta(0, "Hel")
    for event in (first, delta(3, "lo "), delta(6, "you")):
        buffer.add(event)

    assert list(buffer.events) == [delta(0, "Hello you")]
    assert first == delta(0, "Hel"), "the caller's event was changed"


@pytest.mark.parametrize(
    "other",
    [
        delta(4, "after a gap"),
        delta(0, "from the start"),
        delta(3, "x", message_id="other"),
        delta(3, "x", kind="thinking_delta"),
        notice(1),
    ],
)
def test_what_does_not_continue_stays_apart(other: dict[str, Any]) -> None:
    buffer = Buffer(1)
    buffer.add(delta(0, "Hel"))
    buffer.add(other)

    assert list(buffer.events) == [delta(0, "Hel"), other]


def test_an_event_between_deltas_keeps_its_place() -> None:
    buffer = Buffer(1)
    for event in (delta(0, "a"), notice(1), delta(1, "b"), delta(2, "c")):
        buffer.add(event)

    assert list(buffer.events) == [delta(0, "a"), notice(1), delta(1, "bc")]


def test_a_buffer_is_bounded_and_prefers_the_newest() -> None:
    buffer = Buffer(1)
    for number in range(MAX_EVENTS + 10):
        buffer.add(notice(number))
    assert [event["last_seq"] for event in buffer.events] == list(range(10, MAX_EVENTS + 10))

    for number in range(3):
        buffer.add(delta(number * MAX_MERGED_CHARACTERS, "x" * MAX_MERGED_CHARACTERS))
    assert len(buffer.events) == MAX_EVENTS
    assert buffer.events[-1]["index"] == 2 * MAX_MERGED_CHARACTERS


@pytest.mark.usefixtures("slow_ticks")
async def test_what_is_taken_is_not_sent() -> None:
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    live.publish("c", 1, delta(0, "a"))
    live.publish("d", 1, notice(1))

    assert live.take("c") == [delta(0, "a")]
    assert live.take("c") == []
    await live.flush()

    assert recorder.batches == [{"d": {"epoch": 1, "events": [notice(1)]}}]


async def test_nothing_leaves_for_what_was_taken() -> None:
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    live.publish("c", 1, notice(1))
    live.take("c")
    await live.aclose()
    await asyncio.sleep(0.001)

    assert recorder.batches == []


@pytest.mark.usefixtures("slow_ticks")
async def test_a_newer_epoch_replaces_the_events_of_an_older_one() -> None:
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    live.publish("c", 1, notice(1))
    live.publish("c", 2, notice(2))
    live.publish("c", 1, notice(3))
    await live.flush()

    assert recorder.batches == [{"c": {"epoch": 2, "events": [notice(2)]}}]


async def test_the_number_of_waiting_conversations_is_bounded() -> None:
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    for number in range(MAX_CONVERSATIONS + 5):
        live.publish(f"c{number}", 1, notice(1))
    await live.flush()

    assert [len(sent) for sent in recorder.batches] == [MAX_CONVERSATIONS]


async def test_an_event_that_is_not_json_does_not_affect_the_others() -> None:
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    live.publish("c", 1, {"type": "tool_progress", "progress": object()})
    live.publish("d", 1, notice(1))
    await live.flush()
    live.publish("c", 1, notice(2))
    await live.flush()

    assert recorder.batches == [
        {"d": {"epoch": 1, "events": [notice(1)]}},
        {"c": {"epoch": 1, "events": [notice(2)]}},
    ]


async def test_events_reach_a_reader_in_order(store: Store) -> None:
    async with store.subscriptions.subscribe("c") as subscription:
        for number in range(200):
            store.live.publish("c", 1, notice(number))
            if number % 10 == 0:
                await asyncio.sleep(0.003)
        seen: list[int] = []
        async with asyncio.timeout(5):
            while len(seen) < 200:
                payload = await subscription.get()
                assert payload["epoch"] == 1
                seen += [event["last_seq"] for event in payload["events"]]

    assert seen == list(range(200))


async def test_many_conversations_share_a_flush(store: Store) -> None:
    names = [f"c{number}" for number in range(20)]
    async with store.subscriptions.subscribe("c0") as first, store.subscriptions.subscribe("c19") as last:
        for name in names:
            store.live.publish(name, 1, notice(1))
        await store.live.flush()

        expected = {"epoch": 1, "events": [notice(1)]}
        assert [await first.get(), await last.get()] == [expected, expected]


async def test_without_redis_events_are_dropped_and_later_ones_arrive(
    own_server: Callable[..., RedisServer],
) -> None:
    server = own_server()
    opened = connect(server.url, socket_timeout=0.2, connect_timeout=0.2)
    server.kill()
    opened.live.publish("c", 1, notice(1))
    await opened.live.flush()
    server.start()
    async with opened.subscriptions.subscribe("c") as subscription:
        opened.live.publish("c", 1, notice(2))

        async with asyncio.timeout(5):
            assert await subscription.get() == {"epoch": 1, "events": [notice(2)]}
    await opened.aclose()


async def test_what_is_published_after_the_end_goes_nowhere(redis_url: str, redis_prefix: str) -> None:
    opened = connect(redis_url, prefix=redis_prefix)
    opened.live.publish("c", 1, {"type": "hello"})
    await opened.aclose()
    opened.live.publish("c", 1, {"type": "too late"})
    assert opened.live.take("c") == []

"""The live publisher: at once when it is quiet, merged when it is not, silent when Redis is away."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

import store.live
from store import Keys, Store
from store.client import Client
from store.live import MAX_CONVERSATIONS, MAX_EVENTS, MAX_MERGED_CHARACTERS, Buffer, LivePublisher
from tests.servers.process import RedisServer
from tests.store.writer import until

FAR = 60.0


class Outbox(Client):
    """A client that keeps what would be published, one list per pipeline."""

    def __init__(self) -> None:
        super().__init__(Redis())
        self.pipelines: list[dict[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def publish(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        await self.open.wait()
        self.pipelines.append({channel.split(":")[3]: orjson.loads(payload) for channel, _, payload in messages})


def delta(index: int, text: str, *, message_id: str = "m", kind: str = "text_delta") -> dict[str, Any]:
    """A delta whose index counts characters."""
    return {
        "type": kind,
        "turn": 1,
        "message_id": message_id,
        "index": index,
        "next": index + len(text),
        "text": text,
    }


def notice(number: int) -> dict[str, Any]:
    """An event that is no delta."""
    return {"type": "tool_started", "last_seq": number}


def announcement() -> dict[str, Any]:
    """An event behind which others come."""
    return {"type": "state_changed", "state": "streaming"}


@pytest.fixture
def slow_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is not urgent waits until it is flushed."""
    monkeypatch.setattr(store.live, "INTERVAL", FAR)
    monkeypatch.setattr(store.live, "LONGEST_INTERVAL", FAR)


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
async def test_a_quiet_channel_sends_at_once_and_then_gathers() -> None:
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    live.publish("c", 7, delta(0, "a"))
    live.publish("c", 7, delta(1, "b"))
    await until(lambda: len(outbox.pipelines) == 1)
    assert outbox.pipelines == [{"c": {"epoch": 7, "events": [delta(0, "ab")]}}]

    live.publish("c", 7, delta(2, "c"))
    await asyncio.sleep(0.02)
    assert len(outbox.pipelines) == 1, "the channel is not quiet any more"

    live.publish("d", 9, notice(1))
    await until(lambda: len(outbox.pipelines) == 2)
    assert outbox.pipelines[1] == {"d": {"epoch": 9, "events": [notice(1)]}}

    live.publish("c", 7, delta(3, "d"))
    live.publish("d", 9, notice(2))
    await live.flush()
    assert outbox.pipelines[2:] == [
        {"c": {"epoch": 7, "events": [delta(2, "cd")]}, "d": {"epoch": 9, "events": [notice(2)]}}
    ]


@pytest.mark.usefixtures("slow_ticks")
async def test_an_announcement_waits_for_what_it_announces() -> None:
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    live.publish("c", 1, announcement())
    await asyncio.sleep(0.02)
    assert outbox.pipelines == []

    live.publish("c", 1, delta(0, "a"))
    await until(lambda: outbox.pipelines)
    assert outbox.pipelines == [{"c": {"epoch": 1, "events": [announcement(), delta(0, "a")]}}]


async def test_an_announcement_with_nothing_behind_it_leaves_by_itself() -> None:
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    for sent in range(3):
        live.publish("c", 1, announcement())
        await until(lambda sent=sent: len(outbox.pipelines) == sent + 1)


async def test_the_gathered_rest_leaves_by_itself() -> None:
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    for number in range(3):
        live.publish("c", 1, delta(number, "x"))
        await until(lambda sent=number: len(outbox.pipelines) == sent + 1)


async def test_urgent_conversations_do_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.live, "INTERVAL", 0.05)
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    live.publish("c", 1, notice(1))
    await until(lambda: len(outbox.pipelines) == 1)
    live.publish("c", 1, notice(2))

    def second_has_left() -> bool:
        live.publish(f"new-{len(outbox.pipelines)}", 1, notice(0))
        return sum("c" in sent for sent in outbox.pipelines) == 2

    await until(second_has_left)


async def test_whose_events_must_wait_has_time_to_gather_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.live, "INTERVAL_EACH", FAR)
    monkeypatch.setattr(store.live, "LONGEST_INTERVAL", FAR)
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    assert live.slack("c") == 0, "its first event leaves at once"

    live.publish("c", 1, delta(0, "a"))
    await until(lambda: live.slack("c") > 0)
    live.publish("c", 1, delta(1, "b"))

    assert FAR / 2 < live.slack("c") < FAR
    assert live.slack("d") == 0
    live.publish("d", 1, notice(1))
    await until(lambda: len(outbox.pipelines) == 2)
    assert outbox.pipelines[1:] == [{"d": {"epoch": 1, "events": [notice(1)]}}]


async def test_while_few_talk_nobody_has_to_gather_anything() -> None:
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    for number in range(3):
        live.publish("c", 1, delta(number, "x"))
        assert live.slack("c") < store.live.INTERVAL_EACH
        await until(lambda sent=number: len(outbox.pipelines) == sent + 1)


@pytest.mark.usefixtures("slow_ticks")
async def test_what_is_taken_is_not_sent() -> None:
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    live.publish("c", 1, delta(0, "a"))
    live.publish("d", 1, notice(1))

    assert live.take("c") == [delta(0, "a")]
    assert live.take("c") == []
    await live.flush()

    assert outbox.pipelines == [{"d": {"epoch": 1, "events": [notice(1)]}}]


async def test_nothing_leaves_for_what_was_taken() -> None:
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    live.publish("c", 1, notice(1))
    live.take("c")
    await live.aclose()
    await asyncio.sleep(0.001)

    assert outbox.pipelines == []


@pytest.mark.usefixtures("slow_ticks")
async def test_what_was_taken_does_not_hurry_the_others() -> None:
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    live.publish("c", 1, notice(1))
    await until(lambda: len(outbox.pipelines) == 1)
    live.publish("c", 1, notice(2))
    live.publish("d", 1, notice(1))
    live.take("d")
    await asyncio.sleep(0.002)
    assert len(outbox.pipelines) == 1, "neither an empty one nor one that comes early"

    await live.flush()
    assert outbox.pipelines[1:] == [{"c": {"epoch": 1, "events": [notice(2)]}}]


@pytest.mark.usefixtures("slow_ticks")
async def test_a_younger_epoch_replaces_what_an_older_one_had_to_say() -> None:
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    live.publish("c", 1, notice(1))
    live.publish("c", 2, notice(2))
    live.publish("c", 1, notice(3))
    await live.flush()

    assert outbox.pipelines == [{"c": {"epoch": 2, "events": [notice(2)]}}]


async def test_events_gather_while_a_pipeline_is_under_way() -> None:
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    outbox.open.clear()
    live.publish("c", 1, delta(0, "a"))
    await asyncio.sleep(0.01)
    for number in range(1, 5):
        live.publish("c", 1, delta(number, "a"))
        await asyncio.sleep(0)
    settled = asyncio.create_task(live.settle("c"))
    other = asyncio.create_task(live.settle("d"))
    await asyncio.sleep(0.01)
    assert (settled.done(), other.done()) == (False, True)

    outbox.open.set()
    await settled
    await live.flush()

    assert [sent["c"]["events"] for sent in outbox.pipelines] == [[delta(0, "a")], [delta(1, "aaaa")]]


async def test_the_number_of_waiting_conversations_is_bounded() -> None:
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    for number in range(MAX_CONVERSATIONS + 5):
        live.publish(f"c{number}", 1, notice(1))
    await live.flush()

    assert [len(sent) for sent in outbox.pipelines] == [MAX_CONVERSATIONS]


async def test_an_event_that_is_not_json_hurts_nobody_else() -> None:
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    live.publish("c", 1, {"type": "tool_progress", "progress": object()})
    live.publish("d", 1, notice(1))
    await live.flush()
    live.publish("c", 1, notice(2))
    await live.flush()

    assert outbox.pipelines == [
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
    opened = store.connect(server.url, socket_timeout=0.2, connect_timeout=0.2)
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
    opened = store.connect(redis_url, prefix=redis_prefix)
    opened.live.publish("c", 1, {"type": "hello"})
    await opened.aclose()
    opened.live.publish("c", 1, {"type": "too late"})
    assert opened.live.take("c") == []

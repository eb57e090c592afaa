"""When live events leave: at once while the channel is quiet, together and later when it is not."""

import asyncio

import pytest

import store.live.publisher
from store.keys import Keys
from store.live.publisher import LivePublisher
from tests.support.outbox import FAR, Outbox, announcement, delta, notice
from tests.support.writer import until


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
    monkeypatch.setattr(store.live.publisher, "INTERVAL_SECONDS", 0.05)
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
    monkeypatch.setattr(store.live.publisher, "INTERVAL_SECONDS_EACH", FAR)
    monkeypatch.setattr(store.live.publisher, "MAX_INTERVAL_SECONDS", FAR)
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    assert live.coalescing_delay("c") == 0, "its first event leaves at once"

    live.publish("c", 1, delta(0, "a"))
    await until(lambda: live.coalescing_delay("c") > 0)
    live.publish("c", 1, delta(1, "b"))

    assert FAR / 2 < live.coalescing_delay("c") < FAR
    assert live.coalescing_delay("d") == 0
    live.publish("d", 1, notice(1))
    await until(lambda: len(outbox.pipelines) == 2)
    assert outbox.pipelines[1:] == [{"d": {"epoch": 1, "events": [notice(1)]}}]


async def test_while_few_talk_nobody_has_to_gather_anything() -> None:
    outbox = Outbox()
    live = LivePublisher(outbox, Keys())
    for number in range(3):
        live.publish("c", 1, delta(number, "x"))
        assert live.coalescing_delay("c") < store.live.publisher.INTERVAL_SECONDS_EACH
        await until(lambda sent=number: len(outbox.pipelines) == sent + 1)


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

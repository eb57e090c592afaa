"""When live events leave: at once while the channel is quiet, together and later when it is not."""

import asyncio

import pytest

import store.live.publisher
from store.keys import Keys
from store.live.publisher import LivePublisher
from tests.support.recording_client import FAR_SECONDS, RecordingClient, announcement, delta, notice
from tests.support.writer import until


@pytest.mark.usefixtures("slow_ticks")
async def test_a_quiet_channel_sends_at_once_and_then_gathers() -> None:
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    live.publish("c", 7, delta(0, "a"))
    live.publish("c", 7, delta(1, "b"))
    await until(lambda: len(recorder.batches) == 1)
    assert recorder.batches == [{"c": {"epoch": 7, "events": [delta(0, "ab")]}}]

    live.publish("c", 7, delta(2, "c"))
    await asyncio.sleep(0.02)
    assert len(recorder.batches) == 1, "the channel is not quiet any more"

    live.publish("d", 9, notice(1))
    await until(lambda: len(recorder.batches) == 2)
    assert recorder.batches[1] == {"d": {"epoch": 9, "events": [notice(1)]}}

    live.publish("c", 7, delta(3, "d"))
    live.publish("d", 9, notice(2))
    await live.flush()
    assert recorder.batches[2:] == [
        {"c": {"epoch": 7, "events": [delta(2, "cd")]}, "d": {"epoch": 9, "events": [notice(2)]}}
    ]


@pytest.mark.usefixtures("slow_ticks")
async def test_an_announcement_waits_for_what_it_announces() -> None:
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    live.publish("c", 1, announcement())
    await asyncio.sleep(0.02)
    assert recorder.batches == []

    live.publish("c", 1, delta(0, "a"))
    await until(lambda: recorder.batches)
    assert recorder.batches == [{"c": {"epoch": 1, "events": [announcement(), delta(0, "a")]}}]


@pytest.mark.usefixtures("slow_ticks")
async def test_the_first_piece_of_each_answer_leaves_at_once() -> None:
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    for number, message_id in enumerate(("first", "second", "third"), 1):
        live.publish("c", 1, delta(0, "a", message_id=message_id))
        live.publish("c", 1, delta(1, "b", message_id=message_id))
        await until(lambda number=number: len(recorder.batches) == number)
    live.publish("c", 1, delta(2, "c", message_id="third"))
    await asyncio.sleep(0.02)
    assert len(recorder.batches) == 3, "what follows it gathers"


async def test_with_many_active_conversations_first_pieces_gather_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.live.publisher, "INTERVAL_SECONDS_EACH", FAR_SECONDS)
    monkeypatch.setattr(store.live.publisher, "MAX_INTERVAL_SECONDS", FAR_SECONDS)
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    live.publish("c", 1, delta(0, "a", message_id="first"))
    await until(lambda: live.coalescing_delay("c") > 0)

    live.publish("c", 1, delta(0, "a", message_id="second"))
    await asyncio.sleep(0.02)

    assert len(recorder.batches) == 1


async def test_an_announcement_with_nothing_behind_it_leaves_by_itself() -> None:
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    for sent in range(3):
        live.publish("c", 1, announcement())
        await until(lambda sent=sent: len(recorder.batches) == sent + 1)


async def test_the_gathered_rest_leaves_by_itself() -> None:
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    for number in range(3):
        live.publish("c", 1, delta(number, "x"))
        await until(lambda sent=number: len(recorder.batches) == sent + 1)


async def test_urgent_conversations_do_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.live.publisher, "INTERVAL_SECONDS", 0.05)
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    live.publish("c", 1, notice(1))
    await until(lambda: len(recorder.batches) == 1)
    live.publish("c", 1, notice(2))

    def second_has_left() -> bool:
        live.publish(f"new-{len(recorder.batches)}", 1, notice(0))
        return sum("c" in sent for sent in recorder.batches) == 2

    await until(second_has_left)


async def test_a_conversation_whose_events_must_wait_has_a_coalescing_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.live.publisher, "INTERVAL_SECONDS_EACH", FAR_SECONDS)
    monkeypatch.setattr(store.live.publisher, "MAX_INTERVAL_SECONDS", FAR_SECONDS)
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    assert live.coalescing_delay("c") == 0, "its first event leaves at once"

    live.publish("c", 1, delta(0, "a"))
    await until(lambda: live.coalescing_delay("c") > 0)
    live.publish("c", 1, delta(1, "b"))

    assert FAR_SECONDS / 2 < live.coalescing_delay("c") < FAR_SECONDS
    assert live.coalescing_delay("d") == 0
    live.publish("d", 1, notice(1))
    await until(lambda: len(recorder.batches) == 2)
    assert recorder.batches[1:] == [{"d": {"epoch": 1, "events": [notice(1)]}}]


async def test_with_few_active_conversations_there_is_hardly_a_coalescing_delay() -> None:
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    for number in range(3):
        live.publish("c", 1, delta(number, "x"))
        assert live.coalescing_delay("c") < store.live.publisher.INTERVAL_SECONDS_EACH
        await until(lambda sent=number: len(recorder.batches) == sent + 1)


@pytest.mark.usefixtures("slow_ticks")
async def test_taken_events_do_not_hurry_the_others() -> None:
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    live.publish("c", 1, notice(1))
    await until(lambda: len(recorder.batches) == 1)
    live.publish("c", 1, notice(2))
    live.publish("d", 1, notice(1))
    live.take("d")
    await asyncio.sleep(0.002)
    assert len(recorder.batches) == 1, "neither an empty batch nor an early one"

    await live.flush()
    assert recorder.batches[1:] == [{"c": {"epoch": 1, "events": [notice(2)]}}]


async def test_events_gather_while_a_batch_is_in_flight() -> None:
    recorder = RecordingClient()
    live = LivePublisher(recorder, Keys())
    recorder.open.clear()
    live.publish("c", 1, delta(0, "a"))
    await asyncio.sleep(0.01)
    for number in range(1, 5):
        live.publish("c", 1, delta(number, "a"))
        await asyncio.sleep(0)
    settled = asyncio.create_task(live.settle("c"))
    other = asyncio.create_task(live.settle("d"))
    await asyncio.sleep(0.01)
    assert (settled.done(), other.done()) == (False, True)

    recorder.open.set()
    await settled
    await live.flush()

    assert [sent["c"]["events"] for sent in recorder.batches] == [[delta(0, "a")], [delta(1, "aaaa")]]

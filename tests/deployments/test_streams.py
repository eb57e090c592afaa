"""Event streams: the snapshot, then the tail; a resumed stream ends with the events of one that never broke."""

import asyncio

import httpx
import orjson
import pytest
from redis.asyncio import Redis

from store import Store
from tests.deployments.conftest import in_the_ingress
from tests.messages_api import MessagesServer
from tests.support.api import EVENTS, PATIENCE, Api, Event, Stream, canonical, eventually, text_of
from tests.support.service import RunningService
from tests.support.service_agents import Ledger

pytestmark = pytest.mark.ray

SENTENCE = "what is 6*7?"


async def count_subscribers(service: RunningService, store: Store, conversation_id: str) -> int:
    """How many processes are subscribed to the conversation's channel."""
    channel = store.keys.conversation(conversation_id).live
    async with Redis.from_url(service.redis.url) as redis:
        [(_, number)] = await redis.pubsub_numsub(channel)
    return int(number)


async def test_first_the_snapshot_then_the_tail(api: Api) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    async with api.watching(conversation_id) as stream:
        [snapshot] = await stream.until("snapshot")
        assert (snapshot["conversation_id"], snapshot["turn"], snapshot["state"]) == (conversation_id, 1, "idle")
        assert (snapshot["last_seq"], snapshot["pending"]) == (3, {})
        assert snapshot["epoch"] > 0
        await stream.until("turn_ended")
        await api.send(conversation_id, SENTENCE)
        await stream.until("turn_completed", turn=2)
    assert canonical(stream.seen) == await api.log(conversation_id)
    assert stream.ids == list(range(1, len(stream.ids) + 1)), "event ids are the seqs"


async def test_resumed_at_any_seq_the_rows_are_the_same(api: Api) -> None:
    conversation_id = await api.create()
    async with api.watching(conversation_id) as undisturbed:
        await undisturbed.until("snapshot")
        await api.turn(conversation_id, SENTENCE)
        await undisturbed.until("turn_completed")
    rows = canonical(undisturbed.seen)
    for seq in range(len(rows) + 1):
        async with api.watching(conversation_id, last_event_id=seq) as stream:
            await read_up_to(stream, len(rows), seq)
        assert canonical(stream.seen) == rows[seq:]


async def read_up_to(stream: Stream, last: int, known: int) -> None:
    """Read until the last event of the log, or the snapshot if that was known already."""
    await (stream.until("snapshot") if known == last else stream.until("turn_ended", seq=last))


@in_the_ingress
@pytest.mark.parametrize("cursor", ["nonsense", "-1", "999999", "1.5", ""])
async def test_a_bad_cursor_is_dropped(api: Api, cursor: str) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    async with api.watching(conversation_id, last_event_id=cursor) as stream:
        await stream.until("turn_ended")
    assert [event["type"] for event in stream.seen] == ["snapshot", "user_msg", "assistant_msg", "turn_ended"]


async def test_silence_is_filled_with_heartbeats(api: Api) -> None:
    conversation_id = await api.create()
    async with api.watching(conversation_id) as stream:
        reading = asyncio.create_task(stream.until("turn_completed"))

        async def has_two_heartbeats() -> bool:
            return stream.heartbeats >= 2

        await eventually(has_two_heartbeats)
        await api.send(conversation_id, "hello")
        await reading


async def test_a_late_watcher_gets_the_streaming_text_from_its_beginning(api: Api) -> None:
    conversation_id = await api.create("claude")
    async with api.watching(conversation_id) as early:
        await api.send(conversation_id, f"stall after 40 {conversation_id}")
        while len(text_of(early.seen).split()) < 40:
            await early.until("text_delta")
    async with api.watching(conversation_id) as late:
        await late.until("text_delta")
        assert late.seen[0]["state"] == "streaming"
        assert text_of(late.seen) == text_of(early.seen)
        await api.post(conversation_id, "cancel")
        await late.until("turn_cancelled")
    await api.rest(conversation_id)


@in_the_ingress
async def test_the_log_is_read_page_by_page_in_both_directions(api: Api) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, SENTENCE)
    log = await api.log(conversation_id)
    forward: list[Event] = []
    after: int | None = 0
    while after is not None:
        page = await api.page(conversation_id, after=after, limit=2)
        forward += page["events"]
        after = page["next"]
    backward: list[Event] = []
    before: int | None = len(log) + 1
    while before is not None:
        page = await api.page(conversation_id, before=before, limit=2)
        backward = page["events"] + backward
        before = page["prev"]
    assert forward == backward == log


@in_the_ingress
async def test_answers_are_rendered_when_asked_for(api: Api) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, SENTENCE)
    page = await api.page(conversation_id, render="html")
    rendered = [event["html"] for event in page["events"] if event["type"] == "assistant_msg"]
    assert "<strong>42</strong>" in rendered[-1]
    async with api.watching(conversation_id, render="html") as stream:
        await stream.until("turn_ended")
    assert [event["html"] for event in stream.seen if event["type"] == "assistant_msg"] == rendered


async def test_a_client_that_leaves_frees_its_subscription_and_the_turn_goes_on(
    api: Api, service: RunningService, store: Store, ledger: Ledger
) -> None:
    conversation_id = await api.create("worker")
    async with api.watching(conversation_id) as watch, api.speaking(conversation_id, "wait: here") as turn:
        await turn.until("tool_progress")
        await watch.until("tool_progress")
        assert await count_subscribers(service, store, conversation_id) == 1

    async def is_unsubscribed() -> bool:
        return await count_subscribers(service, store, conversation_id) == 0

    await eventually(is_unsubscribed)
    ledger.open_gate(conversation_id)
    log = await api.rest(conversation_id)
    assert log[-1]["outcome"] == "completed"


async def test_a_refused_message_leaves_no_subscription(api: Api, service: RunningService, store: Store) -> None:
    conversation_id = await api.create()
    address = f"/v1/conversations/{conversation_id}/messages"
    response = await api.http.post(address, json={"text": " "}, headers=EVENTS)
    assert response.status_code == 422
    assert await count_subscribers(service, store, conversation_id) == 0


async def test_a_slow_client_gets_a_new_snapshot(api: Api, service: RunningService, store: Store) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    channel = store.keys.conversation(conversation_id).live
    padding = "x" * 8192
    sent = 8000
    async with api.watching(conversation_id) as slow:
        await slow.until("turn_ended")
        async with Redis.from_url(service.redis.url) as redis:
            for number in range(sent):
                event = {"type": "tool_progress", "conversation_id": conversation_id, "turn": 1}
                event |= {"tool_call_id": "x", "progress": [number, padding]}
                await redis.publish(channel, orjson.dumps({"epoch": 2**53, "events": [event]}))
        before = len(slow.seen)
        await slow.until("snapshot", last_seq=3)
        assert len(slow.seen) - before < sent, "what did not fit was dropped, not buffered"


async def test_cancel_while_streaming_closes_the_models_connection_and_keeps_the_text(
    api: Api, stand_in: MessagesServer
) -> None:
    conversation_id = await api.create("claude")
    async with api.speaking(conversation_id, f"stall after 5 {conversation_id}") as stream:
        await stream.until("text_delta")
        response = await api.post(conversation_id, "cancel")
        assert (response.status_code, response.json()["cancelled"]) == (202, True)
        assert (await stream.until("turn_cancelled"))[-1]["turn"] == 1
    [asked] = [received for received in stand_in.requests if conversation_id in str(received.body)]
    assert await asked.wait_hung_up(), "the connection to the model is closed"
    log = await api.log(conversation_id)
    assert [event["type"] for event in log] == ["user_msg", "assistant_msg", "turn_ended"]
    assert (log[1]["status"], log[2]["outcome"]) == ("cancelled", "cancelled")
    assert log[1]["content"][0]["text"].startswith("word0 ")
    assert (await api.show(conversation_id))["state"] == "idle"


async def test_cancel_in_the_middle_of_a_tool(api: Api, ledger: Ledger) -> None:
    conversation_id = await api.create("worker")
    async with api.speaking(conversation_id, "wait: here") as stream:
        await stream.until("tool_progress")
        assert (await api.post(conversation_id, "cancel")).status_code == 202
        await stream.until("turn_cancelled")
    [result] = [event for event in await api.log(conversation_id) if event["type"] == "tool_result"]
    assert result["status"] == "cancelled"
    assert [deed for _, deed in ledger.read(conversation_id)] == ["started"]


async def test_a_client_that_leaves_cancels_nothing(api: Api, ledger: Ledger) -> None:
    conversation_id = await api.create("worker")
    async with httpx.AsyncClient(base_url=str(api.http.base_url), timeout=PATIENCE) as leaving:
        address = f"/v1/conversations/{conversation_id}/messages"
        async with leaving.stream("POST", address, json={"text": "wait: here"}, headers=EVENTS) as response:
            await Stream(response).until("tool_progress")
    ledger.open_gate(conversation_id)
    assert (await api.rest(conversation_id))[-1]["outcome"] == "completed"

"""A message: its receipt, its turn as a stream, the same message twice, and a message while a turn runs."""

import asyncio

import pytest

from agents.codec import VERSION
from tests.support.api import Api, canonical, text_of
from tests.support.service_agents import Ledger

pytestmark = pytest.mark.ray


async def test_a_message_is_accepted_with_its_place_in_the_log(api: Api) -> None:
    conversation_id = await api.create(title="Greetings")
    receipt = await api.send(conversation_id, "hello", client_id="m1")
    assert receipt == {"conversation_id": conversation_id, "seq": 1, "turn": 1, "duplicate": False}
    log = await api.rest(conversation_id)
    assert [event["type"] for event in log] == ["user_msg", "assistant_msg", "turn_ended"]
    assert [event["seq"] for event in log] == [1, 2, 3]
    assert log[0] == {
        "type": "user_msg",
        "v": VERSION,
        "at": log[0]["at"],
        "turn": 1,
        "principal": "local",
        "content": [{"type": "text", "text": "hello"}],
        "step": 1,
        "client_id": "m1",
        "origin": "user",
        "model": None,
        "channel": None,
        "seq": 1,
        "conversation_id": conversation_id,
    }
    shown = await api.show(conversation_id)
    assert (shown["id"], shown["agent"], shown["title"]) == (conversation_id, "assistant", "Greetings")
    assert (shown["state"], shown["last_seq"], shown["pending"]) == ("idle", 3, {})


async def test_a_turn_as_a_stream_ends_with_its_outcome(api: Api) -> None:
    conversation_id = await api.create()
    events = await api.turn(conversation_id, "tell me a story")
    assert events[0]["type"] == "user_msg"
    assert events[-1] == {"type": "turn_completed", "conversation_id": conversation_id, "turn": 1}
    assert canonical(events) == await api.log(conversation_id)
    told = canonical(events)[1]["content"][0]["text"]
    streamed = text_of([event for event in events if event["seq"] < 2] if "seq" in events[1] else events)
    assert streamed == told
    assert all(event["conversation_id"] == conversation_id and event["turn"] == 1 for event in events)
    states = [event["state"] for event in events if event["type"] == "state_changed"]
    assert states == ["preparing", "streaming", "idle"]


async def test_a_turn_that_waits_for_people_ends_its_stream(api: Api) -> None:
    conversation_id = await api.create()
    events = await api.turn(conversation_id, "announce: lunch is ready")
    assert [event["type"] for event in events[-2:]] == ["suspended", "state_changed"]
    assert events[-1]["state"] == "awaiting_input"
    [(call, waiting)] = events[-2]["pending"].items()
    assert waiting["kind"] == "approval"
    assert (await api.show(conversation_id))["pending"] == {call: {**waiting, "may_decide": True}}
    async with api.watching(conversation_id, after=events[-1]["last_seq"]) as stream:
        body = {"tool_call_id": call, "decision": "approve"}
        response = await api.post(conversation_id, "resolutions", body)
        assert response.status_code == 202
        assert response.json() == {
            "conversation_id": conversation_id,
            "tool_call_id": call,
            "seq": events[-1]["last_seq"] + 1,
        }
        await stream.until("turn_completed")
    [result] = [event for event in await api.log(conversation_id) if event["type"] == "tool_result"]
    assert result["status"] == "ok"


async def test_two_clicks_on_approve_execute_once(api: Api) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "announce: lunch")
    [call] = (await api.show(conversation_id))["pending"]
    body = {"tool_call_id": call, "decision": "approve"}
    responses = await asyncio.gather(*(api.post(conversation_id, "resolutions", body) for _ in range(4)))
    assert [response.status_code for response in responses] == [202] * 4, "one decision, answered alike"
    assert len({response.json()["seq"] for response in responses}) == 1
    log = await api.rest(conversation_id)
    assert [event["type"] for event in log].count("resolution") == 1
    assert [event["type"] for event in log].count("tool_result") == 1


async def test_the_same_client_id_is_one_message_with_the_same_receipt(api: Api) -> None:
    conversation_id = await api.create()
    first = await api.send(conversation_id, "hello", client_id="m1")
    await api.rest(conversation_id)
    again = await api.send(conversation_id, "hello", client_id="m1")
    assert again == {**first, "duplicate": True}
    streamed = await api.turn(conversation_id, "hello", client_id="m1")
    assert canonical(streamed) == await api.log(conversation_id)
    assert streamed[-1]["type"] == "turn_completed"
    assert len(await api.log(conversation_id)) == 3


async def test_the_same_client_id_at_once_is_one_message(api: Api) -> None:
    conversation_id = await api.create()
    receipts = await asyncio.gather(*(api.send(conversation_id, "hello", client_id="m1") for _ in range(6)))
    assert {(receipt["seq"], receipt["turn"]) for receipt in receipts} == {(1, 1)}
    assert [receipt["duplicate"] for receipt in receipts].count(False) == 1
    assert len(await api.rest(conversation_id)) == 3


async def test_a_message_can_wait_for_the_turn_before_it(api: Api, ledger: Ledger) -> None:
    conversation_id = await api.create("worker")
    async with api.watching(conversation_id) as stream:
        await api.send(conversation_id, "wait: here")
        await stream.until("tool_progress")
        async with api.speaking(conversation_id, "second", on_busy="queue") as queued:
            ledger.open_gate(conversation_id)
            events = [event async for event in queued.events()]
    assert events[0]["content"] == [{"type": "text", "text": "second"}]
    assert events[-1]["type"] == "turn_completed"
    assert {event["turn"] for event in events} == {2}
    await api.rest(conversation_id, turns=2)


async def test_conversations_are_listed_by_their_last_activity(api: Api) -> None:
    created = [await api.create(title=f"number {number}") for number in range(3)]
    await api.turn(created[0], "hello")
    response = await api.http.get("/v1/conversations", params={"limit": 2})
    page = response.json()
    assert [shown["id"] for shown in page["conversations"]] == [created[0], created[2]]
    response = await api.http.get("/v1/conversations", params={"limit": 1, "cursor": page["next"]})
    assert [shown["id"] for shown in response.json()["conversations"]] == [created[1]]


async def test_a_deleted_conversation_is_gone(api: Api) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    assert (await api.http.delete(f"/v1/conversations/{conversation_id}")).status_code == 204
    for path in ("", "/events"):
        assert (await api.http.get(f"/v1/conversations/{conversation_id}{path}")).status_code == 404
    listed = (await api.http.get("/v1/conversations", params={"limit": 200})).json()["conversations"]
    assert conversation_id not in [shown["id"] for shown in listed]


async def test_the_service_tells_its_health_and_version(api: Api) -> None:
    assert (await api.http.get("/healthz")).json() == {"status": "ok"}
    assert (await api.http.get("/readyz")).json() == {"status": "ready"}
    info = (await api.http.get("/v1/info")).json()
    assert info["offline"] is True


async def test_the_stream_of_a_steered_message_begins_with_it_and_ends_when_its_turn_waits(api: Api) -> None:
    conversation_id = await api.create()
    before = await api.turn(conversation_id, "announce: lunch is ready")
    assert before[-1]["state"] == "awaiting_input"

    events = await api.turn(conversation_id, "at noon", on_busy="steer")

    assert [event["type"] for event in events] == ["user_msg", "suspended", "state_changed"]
    assert (events[0]["turn"], events[0]["content"]) == (1, [{"type": "text", "text": "at noon"}])
    assert events[1]["pending"] == before[-2]["pending"]
    assert (events[2]["state"], events[2]["last_seq"]) == ("awaiting_input", events[0]["seq"])


async def test_a_cancel_that_names_its_turn_ends_no_other_one(api: Api) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "announce: lunch is ready")
    await api.send(conversation_id, "hello", on_busy="queue")
    answers = [await api.post(conversation_id, "cancel", {"turn": 1}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert answers[0].json() == {"conversation_id": conversation_id, "turn": 1, "cancelled": True}
    log = await api.rest(conversation_id, turns=2)
    assert [event["outcome"] for event in log if event["type"] == "turn_ended"] == ["cancelled", "completed"]
    refused = await api.post(conversation_id, "cancel", {"turn": 2})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:raylogue:problem:not_running")
    assert (await api.post(conversation_id, "cancel", {"turn": 0})).status_code == 422

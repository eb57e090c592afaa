"""SIGKILL in every state: the conversation goes on by itself, and nothing is lost or done twice."""

import os
import signal

import pytest

from tests.deployments.conftest import pid_of
from tests.messages_api import MessagesServer
from tests.support.api import Api, Event, answer_texts, eventually
from tests.support.claude_agents import RESUMED
from tests.support.service_agents import Ledger

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


async def kill(conversation_id: str) -> int:
    """SIGKILL the process of the conversation's actor; its pid."""
    pid = await pid_of(conversation_id)
    os.kill(pid, signal.SIGKILL)
    return pid


def outcomes(log: list[Event]) -> list[str]:
    return [event["outcome"] for event in log if event["type"] == "turn_ended"]


async def test_killed_at_rest_it_remembers(api: Api) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "my name is Ada")
    before = await api.log(conversation_id)
    pid = await kill(conversation_id)
    turn = await api.turn(conversation_id, "what is my name?")
    assert turn[-1]["type"] == "turn_completed"
    assert await pid_of(conversation_id) != pid
    log = await api.log(conversation_id)
    assert log[: len(before)] == before
    assert "Ada" in answer_texts(log)[-1]


async def test_killed_while_streaming_the_turn_is_run_again(api: Api, stand_in: MessagesServer) -> None:
    conversation_id = await api.create("claude")
    said = f"stall after 5 {conversation_id}"
    async with api.speaking(conversation_id, said, client_id="m1") as stream:
        await stream.until("text_delta")
        await kill(conversation_id)
        assert [event["type"] for event in (await stream.until("turn_completed"))[-1:]] == ["turn_completed"]
    log = await api.rest(conversation_id)
    assert [event["type"] for event in log] == ["user_msg", "assistant_msg", "turn_ended"]
    assert answer_texts(log) == [RESUMED]
    asked = [received for received in stand_in.requests if conversation_id in str(received.body)]
    assert len(asked) == 2
    assert asked[0].body["messages"] == asked[1].body["messages"]
    assert await asked[0].wait_hung_up(), "the dead process's connection is closed"


async def test_killed_in_the_middle_of_a_tool_the_same_call_is_made_again(api: Api, ledger: Ledger) -> None:
    conversation_id = await api.create("worker")
    async with api.watching(conversation_id) as stream:
        await api.send(conversation_id, "wait: for it")
        await stream.until("tool_progress")
        await kill(conversation_id)
        await eventually_started(ledger, conversation_id, times=2)
        ledger.open_gate(conversation_id)
        await stream.until("turn_completed")
    log = await api.rest(conversation_id)
    [call] = [event for event in log if event["type"] == "tool_call"]
    [result] = [event for event in log if event["type"] == "tool_result"]
    key = call["tool_call_id"]
    assert ledger.read(conversation_id) == [(key, "started"), (key, "started"), (key, "done")]
    assert (result["tool_call_id"], result["status"], result["content"]) == (key, "ok", "for it")
    assert answer_texts(log)[-1] == "It returned: for it"


async def test_a_tool_that_must_not_run_twice_is_reported_instead(api: Api, ledger: Ledger) -> None:
    conversation_id = await api.create("worker")
    async with api.watching(conversation_id) as stream:
        await api.send(conversation_id, "wait_once: for it")
        await stream.until("tool_progress")
        await kill(conversation_id)
    log = await api.rest(conversation_id)
    [result] = [event for event in log if event["type"] == "tool_result"]
    assert result["status"] == "unknown"
    assert [deed for _, deed in ledger.read(conversation_id)] == ["started"]
    assert outcomes(log) == ["completed"]


async def test_a_tool_that_kills_its_process_is_done_by_the_next_one(api: Api, ledger: Ledger) -> None:
    conversation_id = await api.create("worker")
    await api.send(conversation_id, "crash: boom")
    log = await api.rest(conversation_id)
    assert answer_texts(log)[-1] == "It returned: boom"
    assert len(ledger.read(conversation_id)) == 2


async def test_killed_while_it_waits_for_a_person_the_answer_still_counts(api: Api) -> None:
    conversation_id = await api.create("worker")
    await api.turn(conversation_id, "announce: lunch")
    pending = (await api.show(conversation_id))["pending"]
    await kill(conversation_id)
    [call] = pending
    async with api.watching(conversation_id) as stream:
        response = await api.post(conversation_id, "resolutions", {"tool_call_id": call, "decision": "approve"})
        assert response.status_code == 202
        await stream.until("turn_completed")
    log = await api.rest(conversation_id)
    assert [event["status"] for event in log if event["type"] == "tool_result"] == ["ok"]


async def test_a_message_is_answered_once_however_often_its_actor_dies(api: Api, ledger: Ledger) -> None:
    conversation_id = await api.create("worker")
    await api.send(conversation_id, "wait: long")
    for times in (1, 2):
        await eventually_started(ledger, conversation_id, times)
        await kill(conversation_id)
    await eventually_started(ledger, conversation_id, times=3)
    ledger.open_gate(conversation_id)
    log = await api.rest(conversation_id)
    assert outcomes(log) == ["completed"]
    assert [event["type"] for event in log].count("tool_result") == 1


async def eventually_started(ledger: Ledger, conversation_id: str, times: int) -> None:
    """Wait until the tool has begun so many times, in any process."""

    async def started() -> bool:
        return [deed for _, deed in ledger.read(conversation_id)].count("started") >= times

    await eventually(started)

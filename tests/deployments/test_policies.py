"""A message that meets a running turn, by each of the four policies; and what the agent's own policy is for."""

from collections.abc import AsyncIterator

import pytest

from agents.agent import Limits
from tests.deployments.test_problems import check_problem
from tests.support.api import Api, Event, Stream
from tests.support.service_agents import Ledger

pytestmark = pytest.mark.ray


@pytest.fixture
async def busy(api: Api) -> AsyncIterator[tuple[str, Stream]]:
    """A conversation whose tool waits for the test, and its stream."""
    conversation_id = await api.create("worker")
    async with api.watching(conversation_id) as stream:
        await api.send(conversation_id, "wait: here")
        await stream.until("tool_progress")
        yield conversation_id, stream


def heard(log: list[Event]) -> list[tuple[int, str]]:
    """Turn and text of every message."""
    return [(event["turn"], event["content"][0]["text"]) for event in log if event["type"] == "user_msg"]


def ended(log: list[Event]) -> list[tuple[int, str]]:
    return [(event["turn"], event["outcome"]) for event in log if event["type"] == "turn_ended"]


def answers(log: list[Event]) -> list[str]:
    said = (event for event in log if event["type"] == "assistant_msg")
    texts = ("".join(block.get("text", "") for block in event["content"]) for event in said)
    return [text for text in texts if text]


async def test_reject_says_no_and_writes_nothing(api: Api, busy: tuple[str, Stream], ledger: Ledger) -> None:
    conversation_id, _ = busy
    response = await api.post(conversation_id, "messages", {"text": "me too", "on_busy": "reject"})
    check_problem(response, 409, "turn_running")
    ledger.open_gate(conversation_id)
    assert heard(await api.rest(conversation_id)) == [(1, "wait: here")]


async def test_queue_lets_it_wait_and_merges_what_waits(api: Api, busy: tuple[str, Stream], ledger: Ledger) -> None:
    conversation_id, _ = busy
    second = await api.send(conversation_id, "second", on_busy="queue")
    third = await api.send(conversation_id, "third", on_busy="queue")
    assert (second["turn"], third["turn"]) == (2, 2)
    ledger.open_gate(conversation_id)
    log = await api.rest(conversation_id, turns=2)
    assert heard(log) == [(1, "wait: here"), (2, "second"), (2, "third")]
    assert ended(log) == [(1, "completed"), (2, "completed")]
    assert answers(log) == ["It returned: here", "You said: second\nthird"]


async def test_a_queue_that_is_full_refuses_for_now_and_all_that_waited_is_read(
    api: Api, busy: tuple[str, Stream], ledger: Ledger
) -> None:
    conversation_id, _ = busy
    waiting = [f"message {number}" for number in range(Limits().queued)]
    for text in waiting:
        await api.send(conversation_id, text, on_busy="queue")
    check_problem(
        await api.post(conversation_id, "messages", {"text": "too many", "on_busy": "queue"}), 429, "queue_full"
    )
    ledger.open_gate(conversation_id)
    log = await api.rest(conversation_id, turns=2)
    assert heard(log)[1:] == [(2, text) for text in waiting]


async def test_interrupt_cancels_and_runs(api: Api, busy: tuple[str, Stream], ledger: Ledger) -> None:
    conversation_id, stream = busy
    async with api.speaking(conversation_id, "never mind", on_busy="interrupt") as interrupting:
        events = [event async for event in interrupting.events()]
    assert events[-1]["type"] == "turn_completed"
    log = await api.rest(conversation_id, turns=2)
    assert heard(log) == [(1, "wait: here"), (2, "never mind")]
    assert ended(log) == [(1, "cancelled"), (2, "completed")]
    [result] = [event for event in log if event["type"] == "tool_result"]
    assert result["status"] == "cancelled"
    await stream.until("turn_cancelled", turn=1)
    assert [deed for _, deed in ledger.read(conversation_id)] == ["started"], "the tool was stopped"


async def test_steer_is_read_at_the_next_step(api: Api, busy: tuple[str, Stream], ledger: Ledger) -> None:
    conversation_id, _ = busy
    receipt = await api.send(conversation_id, "and be brief", on_busy="steer")
    assert receipt["turn"] == 1
    ledger.open_gate(conversation_id)
    log = await api.rest(conversation_id)
    assert heard(log) == [(1, "wait: here"), (1, "and be brief")]
    assert [event["step"] for event in log if event["type"] == "user_msg"] == [1, 2]
    assert ended(log) == [(1, "completed")]


async def test_an_agent_has_a_policy_of_its_own(api: Api) -> None:
    conversation_id = await api.create("clerk")
    first = await api.turn(conversation_id, 'publish {"text": "tea"}')
    assert first[-1]["state"] == "awaiting_input"
    assert (await api.send(conversation_id, "hello"))["turn"] == 2, "it queues, unless the message says otherwise"
    refused = await api.post(conversation_id, "messages", {"text": "hello", "on_busy": "reject"})
    check_problem(refused, 409, "turn_running")
    await api.post(conversation_id, "cancel")
    log = await api.rest(conversation_id, turns=2)
    assert ended(log) == [(1, "cancelled"), (2, "completed")]

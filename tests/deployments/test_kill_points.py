"""A process dies at each point on purpose: what people see in the end is what they would have seen without it.

A redeploy in a long turn is in test_redeploy.py, the death of a node in tests/cluster.
"""

import asyncio
import os
import signal
from functools import partial

import pytest
import ray

from agents.conversation.crash_loops import MAX_LOST
from deployments.routing.placement import actor_name
from tests.deployments.conftest import actor_of, pid_of
from tests.support.api import Api, Event, answer_texts, canonical, eventually
from tests.support.kills import ANNOUNCED, Orders
from tests.support.service import RunningService
from tests.support.service_agents import Ledger

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]

POINTS_OF_A_TURN = (
    "before the append of user_msg",
    "behind the append of user_msg",
    "before the first model call",
    "before the first token",
    "in a retry",
    "in thinking",
    "in text",
    "in a tool's arguments",
    "before the append of tool_call",
    "behind the append of tool_call",
    "after a tool's deed",
    "before the append of tool_result",
    "behind the append of tool_result",
    "after a tool's result",
    "before the append of turn_ended",
    "behind the append of turn_ended",
)

WHOLE_TURN = ["user_msg", "assistant_msg", "tool_call", "tool_result", "assistant_msg", "turn_ended"]


@pytest.fixture
def orders(service: RunningService) -> Orders:
    return Orders(service.data_dir)


@pytest.mark.parametrize("point", POINTS_OF_A_TURN)
async def test_in_a_turn(point: str, api: Api, orders: Orders, ledger: Ledger, placement: str) -> None:
    if placement == "dedicated" and "append of user_msg" in point:
        pytest.skip("a replica writes the message: test_dedicated_starts.py kills that")
    conversation_id = await api.create("killable")
    async with api.watching(conversation_id) as faithful:
        await faithful.until("snapshot")
        orders.give(conversation_id, point)
        receipt = await api.send(conversation_id, "keep: this", client_id="m1")
        log = await api.rest(conversation_id)
        await faithful.until("turn_ended")
    assert orders.ordered(conversation_id) is None, "the point was reached"
    assert [event["type"] for event in log] == WHOLE_TURN
    assert receipt["seq"] == log[0]["seq"]
    assert answer_texts(log) == [ANNOUNCED, "It is done: this."]
    assert log[-1]["outcome"] == "completed"
    assert canonical(faithful.seen) == log
    deeds = ledger.read(conversation_id)
    assert set(deeds) == {(log[2]["tool_call_id"], "kept")}, "the deed is known by the id of its call"
    assert len(deeds) == (2 if point in ("after a tool's deed", "before the append of tool_result") else 1)
    again = await api.send(conversation_id, "keep: this", client_id="m1")
    assert (again["seq"], again["duplicate"]) == (receipt["seq"], True)


async def test_again_and_again_by_its_own_tool(api: Api, ledger: Ledger) -> None:
    conversation_id = await api.create("worker")
    async with api.watching(conversation_id) as stream:
        await api.send(conversation_id, "crash_always: it")
        await stream.until("turn_failed", reason="crashed_repeatedly")
    log = await api.rest(conversation_id)
    assert canonical(stream.seen) == log
    assert [event["type"] for event in log] == ["user_msg", "assistant_msg", "tool_call", "tool_result", "turn_ended"]
    assert log[-2]["status"] == "unknown"
    assert (log[-1]["outcome"], log[-1]["reason"]) == ("failed", "crashed_repeatedly")
    assert ledger.read(conversation_id) == MAX_LOST * [(log[2]["tool_call_id"], "started")]
    assert (await api.show(conversation_id))["state"] == "idle"
    again = await api.turn(conversation_id, "hello")
    assert (again[-1]["type"], again[-1]["turn"]) == ("turn_completed", 2)
    assert len(ledger.read(conversation_id)) == MAX_LOST, "it is never taken up again"


@pytest.mark.parametrize("placement", ["shared"])
async def test_again_and_again_by_the_tool_of_a_neighbour(api: Api, ledger: Ledger) -> None:
    """Turns that run beside one that kills their process: they go on, and it alone is ended."""
    innocent = [await api.create("worker") for _ in range(3)]
    for conversation_id in innocent:
        await api.send(conversation_id, "wait: long")
        await eventually(partial(started, ledger, conversation_id, 1))
    culprit = await api.create("worker")
    async with api.watching(culprit) as stream:
        await api.send(culprit, "crash_always: it")
        await stream.until("turn_failed", reason="crashed_repeatedly")
    assert len(ledger.read(culprit)) == MAX_LOST
    for conversation_id in innocent:
        await eventually(partial(started, ledger, conversation_id, 2))
        assert (await api.show(conversation_id))["last_exit"] == "crash"
        was_apart = (await api.show(conversation_id))["place"] == actor_name(conversation_id)
        ledger.open_gate(conversation_id)
        log = await api.rest(conversation_id)
        assert (log[-1]["outcome"], answer_texts(log)[-1]) == ("completed", "It returned: long")
        if was_apart:
            await eventually(partial(has_moved_back, api, conversation_id))


@pytest.mark.parametrize("side", ["before", "behind"])
async def test_while_cancelling(side: str, api: Api, orders: Orders) -> None:
    conversation_id = await api.create("worker")
    async with api.watching(conversation_id) as stream:
        await api.send(conversation_id, "wait: long")
        await stream.until("tool_progress")
        orders.give(conversation_id, f"{side} the append of turn_ended")
        response = await api.post(conversation_id, "cancel")
        assert response.status_code == 202, "also behind the append: the next incarnation knows that it counted"
        assert response.json() == {"conversation_id": conversation_id, "turn": 1, "cancelled": True}
        log = await api.rest(conversation_id)
        await stream.until("turn_ended")
    assert orders.ordered(conversation_id) is None
    assert [event["type"] for event in log] == ["user_msg", "assistant_msg", "tool_call", "tool_result", "turn_ended"]
    assert (log[-2]["status"], log[-1]["outcome"]) == ("cancelled", "cancelled")
    assert canonical(stream.seen) == log


@pytest.mark.parametrize("point", ["before the append of resolution", "behind the append of resolution"])
async def test_when_the_approval_arrives(point: str, api: Api, orders: Orders, ledger: Ledger) -> None:
    conversation_id = await api.create("killable")
    await api.turn(conversation_id, "publish: it")
    [call] = (await api.show(conversation_id))["pending"]
    orders.give(conversation_id, point)
    response = await api.post(conversation_id, "resolutions", {"tool_call_id": call, "decision": "approve"})
    assert response.status_code == 202, "the door sends it again, and one that is in the log is answered as the first"
    log = await api.rest(conversation_id)
    [counted] = [event["seq"] for event in log if event["type"] == "resolution"]
    assert response.json() == {"conversation_id": conversation_id, "tool_call_id": call, "seq": counted}
    assert orders.ordered(conversation_id) is None
    assert [event["decision"] for event in log if event["type"] == "resolution"] == ["approve"]
    assert ledger.read(conversation_id) == [(call, "published")]
    assert answer_texts(log)[-1] == "It is done: it."


async def test_while_it_waits_for_a_person_and_when_the_answer_finds_it_dead(
    api: Api, orders: Orders, ledger: Ledger
) -> None:
    conversation_id = await api.create("killable")
    await api.turn(conversation_id, "publish: it")
    [call] = (await api.show(conversation_id))["pending"]
    os.kill(await pid_of(conversation_id), signal.SIGKILL)
    answered = {"tool_call_id": call, "decision": "approve"}
    responses = await asyncio.gather(*(api.post(conversation_id, "resolutions", answered) for _ in range(2)))
    assert [response.status_code for response in responses] == [202, 202]
    assert responses[0].json() == responses[1].json()
    await api.rest(conversation_id)
    assert ledger.read(conversation_id) == [(call, "published")]


async def test_during_its_departure(api: Api, orders: Orders) -> None:
    """The last step of an eviction and of a stop: the conversation is to leave, and its process dies before it has."""
    conversation_id = await api.create("killable")
    before = await api.turn(conversation_id, "keep: this")
    assert before[-1]["type"] == "turn_completed"
    orders.give(conversation_id, "during its departure")
    (await actor_of(conversation_id)).stop.remote(conversation_id)
    await gone(orders, conversation_id)
    await api.turn(conversation_id, "keep: that")
    log = await api.rest(conversation_id, turns=2)
    assert [event["type"] for event in log] == 2 * WHOLE_TURN


async def test_during_the_hand_over_of_a_turn(api: Api, orders: Orders, ledger: Ledger) -> None:
    """Its host leaves with the turn unfinished, and dies meanwhile."""
    conversation_id = await api.create("worker")
    async with api.watching(conversation_id) as stream:
        await api.send(conversation_id, "wait: for it")
        await stream.until("tool_progress")
        orders.give(conversation_id, "during its departure")
        (await actor_of(conversation_id)).stop.remote(conversation_id)
        await gone(orders, conversation_id)
        ledger.open_gate(conversation_id)
        await stream.until("turn_completed")
    log = await api.rest(conversation_id)
    assert answer_texts(log)[-1] == "It returned: for it"


async def test_two_tabs_one_live_and_one_that_comes_and_goes(api: Api, orders: Orders) -> None:
    conversation_id = await api.create("killable")
    orders.give(conversation_id, "in text")
    seen: list[Event] = []
    async with api.watching(conversation_id) as live:
        await live.until("snapshot")
        await api.send(conversation_id, "keep: this")
        while not any(event["type"] == "turn_ended" for event in seen):
            last = seen[-1]["seq"] if seen else 0
            async with api.watching(conversation_id, last_event_id=last) as passing:
                await asyncio.wait({reading := asyncio.create_task(passing.until("turn_ended"))}, timeout=0.05)
                reading.cancel()
                await asyncio.wait({reading})
            seen += canonical(passing.seen)
        await live.until("turn_ended")
    log = await api.log(conversation_id)
    assert orders.ordered(conversation_id) is None
    assert canonical(live.seen) == log
    assert seen == log


async def started(ledger: Ledger, conversation_id: str, times: int) -> bool:
    """Whether its tool has begun so often."""
    return sum(deed == "started" for _, deed in ledger.read(conversation_id)) >= times


async def has_moved_back(api: Api, conversation_id: str) -> bool:
    """Whether the process that was only for this conversation is gone, since it is not needed any more."""
    names = {found["name"] for found in ray.util.list_named_actors(all_namespaces=True)}
    return actor_name(conversation_id) not in names and (await api.show(conversation_id))["last_exit"] == "moved"


async def gone(orders: Orders, conversation_id: str) -> None:
    async def died() -> bool:
        return orders.ordered(conversation_id) is None

    await eventually(died)

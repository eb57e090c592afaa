"""Streams of a turn when nobody can be asked how its conversation is: the log and the cached state must do."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents.agent import Agent
from agents.arrivals import Arrivals
from agents.conversation import Conversation
from agents.models import Call, ScriptedModel, Step
from agents.tools import tool
from agents.turn.inputs import Resolve
from deployments.ingress.streams import watch
from deployments.ingress.streams.watch import open_watcher
from deployments.ingress.streams.watcher_state import WireEvent
from tests.support.conversations import PATIENCE, World, rest, say


class SilentDoor:
    """The part of the door that a watcher uses, when the conversation's process does not answer."""

    async def status(self, conversation_id: str) -> None:
        return


@tool(approval="required")
def risky() -> str:
    """Do something risky."""
    return "done"


def asker() -> Agent:
    return Agent(
        name="asker", model=ScriptedModel([Step(calls=[Call("risky")]), Step("ok"), Step("hi")]), tools=(risky,)
    )


async def turn_stream(world: World, turn: int, seq: int) -> list[dict[str, Any]]:
    """What the stream of a turn shows until it ends by itself."""
    door: Any = SilentDoor()
    async with asyncio.timeout(PATIENCE), open_watcher(world.store, door, "c") as watcher:
        return [event async for event in watcher.turn_events(turn, seq, fresh=False)]


@pytest.fixture
async def parked(world: World) -> Conversation:
    """A conversation whose first turn waits for a person."""
    conversation = await world.start(asker())
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    return conversation


@pytest.mark.parametrize("page", [200, 1])
async def test_a_turn_that_waits_is_said_to_be_suspended(
    world: World, parked: Conversation, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "MAX_PAGE_EVENTS", page)
    seen = await turn_stream(world, 1, 1)
    suspended, changed = seen[-2:]
    pending = parked.inspect().pending
    assert (suspended["type"], suspended["turn"], suspended["pending"]) == ("suspended", 1, pending)
    assert len(pending) == 1
    assert (changed["type"], changed["state"], changed["turn"]) == ("state_changed", "awaiting_input", 1)
    assert [event["seq"] for event in seen[:-2]] == list(range(1, parked.inspect().last_seq + 1))


async def test_a_message_behind_the_turn_that_waits_waits_for_its_own_end(world: World, parked: Conversation) -> None:
    queued = await say(parked, "and then?", on_busy="queue")
    assert queued.turn == 2
    door: Any = SilentDoor()
    async with asyncio.timeout(PATIENCE), open_watcher(world.store, door, "c") as watcher:
        stream = watcher.turn_events(2, queued.seq, fresh=False)
        seen = [await anext(stream)]
        [call] = parked.inspect().pending
        await parked.resolve(Resolve(tool_call_id=call, decision="approve", principal="ada"))
        seen += [event async for event in stream]
    assert seen[0]["type"] == "user_msg"
    assert seen[-1]["type"] == "turn_completed"
    assert {event["turn"] for event in seen} == {2}
    assert "suspended" not in {event["type"] for event in seen}


async def test_watchers_are_told_that_the_conversation_is_deleted(world: World, parked: Conversation) -> None:
    door: Any = SilentDoor()
    queued = await say(parked, "and then?", on_busy="queue")
    async with (
        asyncio.timeout(PATIENCE),
        open_watcher(world.store, door, "c") as one,
        open_watcher(world.connect(), door, "c") as another,
        open_watcher(world.store, door, "c") as late,
    ):
        whole, turn = one.events(0), another.turn_events(2, queued.seq, fresh=False)
        seen = [await anext(whole), await anext(turn)]
        await world.store.registry.delete("c")
        seen += [event async for event in whole]
        assert seen[-1] == {"type": "conversation_deleted", "conversation_id": "c", "turn": 0}
        assert [event async for event in turn] == [{**seen[-1], "turn": 2}]
        assert [event async for event in late.events(0)] == [seen[-1]]
    parked.abandon()


class CountedArrivals(Arrivals):
    """Counts how often it was waited for."""

    def __init__(self) -> None:
        super().__init__(patience=3600.0)
        self.waits = 0

    async def settle(self) -> None:
        self.waits += 1
        await super().settle()


async def test_watchers_are_shown_what_happens_after_the_messages_that_came_before(world: World) -> None:
    """In a burst, messages of others are acknowledged first: to show many watchers a turn takes longer."""
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("hi")])))
    door: Any = SilentDoor()
    arrivals = CountedArrivals()
    async with (
        asyncio.timeout(PATIENCE),
        open_watcher(world.store, door, "c", arrivals=arrivals) as patient,
        open_watcher(world.store, door, "c") as other,
    ):
        with arrivals.taking_in():
            receipt = await say(conversation)
            shown = asyncio.create_task(all_of(patient.turn_events(receipt.turn, receipt.seq, fresh=True)))
            seen = await all_of(other.turn_events(receipt.turn, receipt.seq, fresh=True))
            assert seen[-1]["type"] == "turn_completed"
            assert not shown.done()
        assert await shown == seen
    assert arrivals.waits == 1, "what has gathered is shown without waiting again"


async def all_of(stream: AsyncIterator[WireEvent]) -> list[WireEvent]:
    return [event async for event in stream]

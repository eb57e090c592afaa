"""Crash everywhere: the dialogue with each example, crashed at every append, ends as if nothing had happened."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from agents.turn.events import ToolCall
from store import Scope
from tests.support.conversations import PATIENCE, World, ends, results
from tests.support.crashes import CrashingWorld, Moment, Victims, crashing_world, transcripts
from tests.support.example_dialogues import DIALOGUES, Dialogue

__all__ = ["crashing_world"]

ADA = Scope("user", "ada")
Recorded = dict[str, list[bytes]]
"""The events of each conversation. Calls that run side by side end in any order, so they are compared sorted."""

CASES = [
    pytest.param(name, append, moment, id=f"{name}-{append}-{moment}")
    for name, dialogue in DIALOGUES.items()
    for append in range(1, dialogue.appends + 1)
    for moment in ("before", "after")
]
REPORTED = {("operator", 7, "after"), ("operator", 8, "before")}
"""Between the approval of a restart and its result: the new incarnation cannot know whether it was done."""
_UNDISTURBED: dict[str, Recorded] = {}


@pytest.fixture(autouse=True)
async def forgotten(crashing_world: CrashingWorld) -> AsyncIterator[None]:
    """The agents forget Ada after each test."""
    yield
    await crashing_world.store.files.drop(ADA)


async def recorded(world: World) -> Recorded:
    """The records that the dialogue leaves, without the title, which comes at a time of its own."""
    found = await transcripts(world)
    return {
        conversation_id: sorted(_written(record) for record in records if record.get("source") != "ConversationTitle")
        for conversation_id, records in found.items()
    }


def _written(record: dict[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)


async def undisturbed(world: CrashingWorld, name: str) -> Recorded:
    """The records of the same dialogue without a crash; it is played once."""
    if name not in _UNDISTURBED:
        dialogue = DIALOGUES[name]
        await dialogue.play(world)
        await wait_for_appends(world, dialogue)
        events = await world.events()
        assert {outcome for outcome, _ in ends(events)} == {"completed"}
        assert {status for status, _ in results(events)} <= {"ok"}
        _UNDISTURBED[name] = await recorded(world)
        for conversation in tuple(world.doors.live.values()):
            await world.crash(conversation)
        await world.store.registry.delete("c")
        await world.store.files.drop(ADA)
        await world.store.memories.forget_all(ADA.id)
        world.doors.live.clear()
        world.schedule.appends = 0
    return _UNDISTURBED[name]


async def wait_for_appends(world: CrashingWorld, dialogue: Dialogue) -> None:
    """Wait for the title, then check that the dialogue has exactly as many appends as it says: each is a case below."""
    async with asyncio.timeout(PATIENCE):
        while world.schedule.appends < dialogue.appends:  # noqa: ASYNC110 - the title sets no event
            await asyncio.sleep(0.005)
    assert world.schedule.appends == dialogue.appends


@pytest.mark.parametrize(("name", "append", "moment"), CASES)
async def test_killed_at_any_append(crashing_world: CrashingWorld, name: str, append: int, moment: Moment) -> None:
    dialogue, expected = DIALOGUES[name], await undisturbed(crashing_world, name)
    crashing_world.schedule.moments = {append: moment}

    await dialogue.play(crashing_world)

    reported = await check(crashing_world, dialogue, expected)
    assert reported == ((name, append, moment) in REPORTED)


@pytest.mark.parametrize("victims", ["one", "all"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", DIALOGUES)
async def test_killed_at_every_second_append(
    crashing_world: CrashingWorld, name: str, moment: Moment, victims: Victims
) -> None:
    dialogue, expected = DIALOGUES[name], await undisturbed(crashing_world, name)
    crashing_world.victims = victims
    crashing_world.schedule.moments = dict.fromkeys(range(2, 200, 2), moment)

    await dialogue.play(crashing_world)

    crashing_world.schedule.moments = {}
    await check(crashing_world, dialogue, expected)


@pytest.mark.parametrize("name", DIALOGUES)
async def test_moved_at_each_rest_it_is_the_same_dialogue(crashing_world: CrashingWorld, name: str) -> None:
    expected = await undisturbed(crashing_world, name)

    await DIALOGUES[name].play(crashing_world, moves=True)

    assert not await check(crashing_world, DIALOGUES[name], expected)
    assert crashing_world.schedule.appends == DIALOGUES[name].appends, "a move writes nothing"


@pytest.mark.parametrize(("name", "append", "moment"), CASES)
async def test_killed_at_any_append_of_a_dialogue_with_moves(
    crashing_world: CrashingWorld, name: str, append: int, moment: Moment
) -> None:
    dialogue, expected = DIALOGUES[name], await undisturbed(crashing_world, name)
    crashing_world.schedule.moments = {append: moment}

    await dialogue.play(crashing_world, moves=True)

    reported = await check(crashing_world, dialogue, expected)
    assert reported == ((name, append, moment) in REPORTED)


async def check(world: World, dialogue: Dialogue, expected: Recorded) -> bool:
    """Check that the records are the same, or that one call was reported as unknown; return whether one was."""
    events = await world.events()
    called = {event.tool_call_id: event.name for event in events if isinstance(event, ToolCall)}
    unknown = [content for status, content in results(events) if status == "unknown"]
    if not unknown:
        assert await recorded(world) == expected
        return False
    assert dialogue.reported in called.values()
    assert unknown == ["The outcome of this call is unknown: it was interrupted and is not repeated."]
    assert {outcome for outcome, _ in ends(events)} == {"completed"}
    assert len(events) == len(expected["c"])
    return True

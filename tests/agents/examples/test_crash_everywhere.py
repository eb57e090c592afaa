"""Crash everywhere: each example's tale, killed at every append, ends as if nothing had happened."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from agents.turn.events import ToolCall
from store import Scope
from tests.support.conversations import PATIENCE, World, ends, results
from tests.support.crashes import CrashingWorld, Moment, Victims, crashing_world, transcripts
from tests.support.example_dialogues import TALES, Tale

__all__ = ["crashing_world"]

ADA = Scope("user", "ada")
Told = dict[str, list[bytes]]
"""The events of each conversation. Calls that run side by side end in any order, so they are compared sorted."""

CASES = [
    pytest.param(name, append, moment, id=f"{name}-{append}-{moment}")
    for name, tale in TALES.items()
    for append in range(1, tale.appends + 1)
    for moment in ("before", "after")
]
REPORTED = {("operator", 7, "after"), ("operator", 8, "before")}
"""Between the approval of a restart and its result: whoever comes back cannot know whether it was done."""
_UNDISTURBED: dict[str, Told] = {}


@pytest.fixture(autouse=True)
async def forgotten(crashing_world: CrashingWorld) -> AsyncIterator[None]:
    """What an agent remembers of Ada does not outlive the test."""
    yield
    await crashing_world.store.files.drop(ADA)


async def told(world: World) -> Told:
    """All that the tale has left behind; the title comes beside it, at a time of its own."""
    found = await transcripts(world)
    return {
        conversation_id: sorted(_written(record) for record in records if record.get("source") != "ConversationTitle")
        for conversation_id, records in found.items()
    }


def _written(record: dict[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)


async def undisturbed(world: CrashingWorld, name: str) -> Told:
    """The same tale as it goes when nobody dies; it is told once."""
    if name not in _UNDISTURBED:
        tale = TALES[name]
        await tale.tell(world)
        await counted(world, tale)
        events = await world.events()
        assert {outcome for outcome, _ in ends(events)} == {"completed"}
        assert {status for status, _ in results(events)} <= {"ok"}
        _UNDISTURBED[name] = await told(world)
        for conversation in tuple(world.doors.live.values()):
            await world.crash(conversation)
        await world.store.registry.delete("c")
        await world.store.files.drop(ADA)
        world.doors.live.clear()
        world.schedule.appends = 0
    return _UNDISTURBED[name]


async def counted(world: CrashingWorld, tale: Tale) -> None:
    """Every append is visited below: the tale has exactly as many as it says, once its title is there too."""
    async with asyncio.timeout(PATIENCE):
        while world.schedule.appends < tale.appends:  # noqa: ASYNC110 - what comes beside the turn has no event
            await asyncio.sleep(0.005)
    assert world.schedule.appends == tale.appends


@pytest.mark.parametrize(("name", "append", "moment"), CASES)
async def test_killed_at_any_append(crashing_world: CrashingWorld, name: str, append: int, moment: Moment) -> None:
    tale, expected = TALES[name], await undisturbed(crashing_world, name)
    crashing_world.schedule.moments = {append: moment}

    await tale.tell(crashing_world)

    reported = await check(crashing_world, tale, expected)
    assert reported == ((name, append, moment) in REPORTED)


@pytest.mark.parametrize("victims", ["one", "all"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", TALES)
async def test_killed_at_every_second_append(
    crashing_world: CrashingWorld, name: str, moment: Moment, victims: Victims
) -> None:
    tale, expected = TALES[name], await undisturbed(crashing_world, name)
    crashing_world.victims = victims
    crashing_world.schedule.moments = dict.fromkeys(range(2, 200, 2), moment)

    await tale.tell(crashing_world)

    crashing_world.schedule.moments = {}
    await check(crashing_world, tale, expected)


async def check(world: World, tale: Tale, expected: Told) -> bool:
    """The same in the end; but a call that must not be repeated may have been reported: whether it was."""
    events = await world.events()
    called = {event.tool_call_id: event.name for event in events if isinstance(event, ToolCall)}
    unknown = [content for status, content in results(events) if status == "unknown"]
    if not unknown:
        assert await told(world) == expected
        return False
    assert tale.reported in called.values()
    assert unknown == ["The outcome of this call is unknown: it was interrupted and is not repeated."]
    assert {outcome for outcome, _ in ends(events)} == {"completed"}
    assert len(events) == len(expected["c"])
    return True

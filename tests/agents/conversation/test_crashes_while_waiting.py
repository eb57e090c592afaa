"""Killed at every append while calls wait in every way: each is decided once, and the story ends as it would have."""

from typing import Any

import pytest

from agents.agent import Agent
from agents.conversation import Conversation
from agents.models import Call, ScriptedModel, Step
from agents.turn.inputs import Resolve
from tests.support.answering import TOOLS
from tests.support.conversations import World, ends, rest, results, say
from tests.support.crashes import Moment, play, transcript

APPENDS = 12
"""How many appends the story takes; a test below counts them."""

CALLS = [
    Call("send", {"text": "hi"}),
    Call("ask", {"question": "?"}),
    Call("photograph", {"subject": "cat"}),
    Call("unlock", {"door": "front"}),
    Call("book", {"room": "A1"}),
]
DECISIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("send", "approval"): {"decision": "edit", "arguments": {"text": "hello"}},
    ("ask", "elicitation"): {"decision": "respond", "answer": "42"},
    ("photograph", "client_exec"): {"decision": "respond", "answer": {"pixels": 12}},
    ("unlock", "approval"): {"decision": "approve"},
    ("unlock", "client_exec"): {"decision": "respond", "answer": "open"},
    ("book", "approval"): {"decision": "approve"},
}


class Story:
    """One answer with a call for every way to wait, and a person who decides about one after the other."""

    def __init__(self) -> None:
        self.agent = Agent(name="clerk", model=ScriptedModel([Step(calls=CALLS), Step("All done.")]), tools=TOOLS)
        self.acts = (self._ask, self._decide)

    async def _ask(self, conversation: Conversation) -> None:
        await say(conversation, client_id="ask")
        await rest(conversation)

    async def _decide(self, conversation: Conversation) -> None:
        while await rest(conversation) == "awaiting_input":
            tool_call_id, shown = next(iter(conversation.inspect().pending.items()))
            decision = DECISIONS[shown["name"], shown["kind"]]
            seen = shown["arguments_hash"]
            await conversation.resolve(
                Resolve(tool_call_id=tool_call_id, principal="bob", arguments_hash=seen, **decision)
            )


@pytest.fixture
async def undisturbed(world: World) -> list[dict[str, Any]]:
    """The story as it goes without a crash."""
    assert await play(world, Story(), []) == APPENDS, "every append is visited below"
    events = await world.events()
    assert sorted(results(events)) == [
        ("ok", "42"),
        ("ok", "approve: A1 for bob"),
        ("ok", "open"),
        ("ok", "sent hello"),
        ("ok", '{"pixels": 12}'),
    ]
    assert ends(events) == [("completed", None)]
    await world.store.registry.delete("c")
    return transcript(events)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("append", range(1, APPENDS + 1))
async def test_killed_at_any_append(
    world: World, undisturbed: list[dict[str, Any]], append: int, moment: Moment
) -> None:
    await play(world, Story(), [(append, moment)])
    assert transcript(await world.events()) == undisturbed


async def test_every_incarnation_lives_for_one_append_only(world: World, undisturbed: list[dict[str, Any]]) -> None:
    await play(world, Story(), [(1, "after")] * APPENDS)
    assert transcript(await world.events()) == undisturbed

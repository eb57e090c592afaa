"""Crash everywhere: one scripted conversation, killed at every append, tells the same story in the end."""

from typing import Any

import pytest

from agents.agent import Agent
from agents.conversation import Conversation
from agents.models import Call, ScriptedModel, Step
from agents.tools import ToolContext, tool
from agents.turn.events import UserMsg
from agents.turn.inputs import Resolve
from tests.support.conversations import World, ends, rest, results, say
from tests.support.crashes import Act, Moment, play, transcript

APPENDS, APPENDS_OF_THREE = 10, 12
"""How many appends the stories take; tests below count them."""


class Story:
    """Two tools at once, then one that a person approves, then a second turn."""

    def __init__(self) -> None:
        self.executed: list[str] = []

        @tool
        async def add(a: int, b: int, context: ToolContext) -> int:
            """Add two numbers."""
            self.executed.append(context.tool_call_id)
            return a + b

        @tool(approval="required")
        async def send(words: str, context: ToolContext) -> str:
            """Send a letter."""
            self.executed.append(context.tool_call_id)
            return f"{words}, signed {context.principal}"

        steps = [
            Step("Let me see.", calls=[Call("add", {"a": 1, "b": 2}), Call("add", {"a": 3, "b": 4})]),
            Step("I will write.", calls=[Call("send", {"words": "3 and 7"})]),
            Step("It is sent.", thinking="Done."),
            Step("You are welcome."),
        ]
        self.agent = Agent(name="clerk", model=ScriptedModel(steps), tools=(add, send))
        self.acts: tuple[Act, ...] = (self._ask, self._approve, self._thank)

    async def _ask(self, conversation: Conversation) -> None:
        await say(conversation, "add these and write", client_id="ask")
        await rest(conversation)

    async def _approve(self, conversation: Conversation) -> None:
        await rest(conversation)
        for tool_call_id in conversation.inspect().pending:
            await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision="approve", principal="bob"))
        await rest(conversation)

    async def _thank(self, conversation: Conversation) -> None:
        await say(conversation, "thank you", client_id="thank", on_busy="queue")
        await rest(conversation)


class StoryOfThree:
    """While Ada's turn waits for an approval, two members speak: each in a turn of its own, with its own name."""

    def __init__(self) -> None:
        @tool(approval="required")
        async def send(context: ToolContext) -> str:
            """Send a letter."""
            return f"signed {context.principal}"

        @tool
        async def note(context: ToolContext) -> str:
            """Note something."""
            return f"noted by {context.principal}"

        steps = [
            *(Step(calls=[Call("send")]), Step("It is sent.")),
            *(Step(calls=[Call("note")]), Step("It is noted.")),
            Step("Hello to you, too."),
        ]
        self.agent = Agent(name="clerk", model=ScriptedModel(steps), tools=(send, note))
        self.acts: tuple[Act, ...] = (self._ask, self._speak, self._approve)

    async def _ask(self, conversation: Conversation) -> None:
        await say(conversation, "write", client_id="ask")
        await rest(conversation)

    async def _speak(self, conversation: Conversation) -> None:
        for name, words in (("bob", "note this"), ("cy", "hello"), ("cy", "how are you?")):
            await say(conversation, words, client_id=words, principal=name, on_busy="steer")

    async def _approve(self, conversation: Conversation) -> None:
        for tool_call_id in conversation.inspect().pending:
            await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision="approve", principal="ada"))
        await rest(conversation)


@pytest.fixture
async def undisturbed(world: World) -> list[dict[str, Any]]:
    """The story as it goes without a crash."""
    story = Story()
    appends = await play(world, story, [])
    assert appends == APPENDS, "every append is visited below"
    events = await world.events()
    assert ends(events) == [("completed", None)] * 2
    assert [content for _, content in results(events)] == ["3", "7", "3 and 7, signed bob"]
    assert len(story.executed) == 3
    await world.store.registry.delete("c")
    return transcript(events)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("append", range(1, APPENDS + 1))
async def test_killed_at_any_append(
    world: World, undisturbed: list[dict[str, Any]], append: int, moment: Moment
) -> None:
    story = Story()

    await play(world, story, [(append, moment)])

    assert transcript(await world.events()) == undisturbed
    assert len(set(story.executed)) == 3, "a repeated call keeps its id"


@pytest.fixture
async def undisturbed_three(world: World) -> list[dict[str, Any]]:
    assert await play(world, StoryOfThree(), []) == APPENDS_OF_THREE, "every append is visited below"
    events = await world.events()
    said = [(event.turn, event.principal, event.step) for event in events if isinstance(event, UserMsg)]
    assert said == [(1, "ada", 1), (2, "bob", 1), (3, "cy", 1), (3, "cy", 1)]
    assert [content for _, content in results(events)] == ["signed ada", "noted by bob"]
    assert ends(events) == [("completed", None)] * 3
    await world.store.registry.delete("c")
    return transcript(events)


@pytest.mark.parametrize("append", range(1, APPENDS_OF_THREE + 1))
async def test_members_who_wait_are_served_one_after_another_whatever_dies(
    world: World, undisturbed_three: list[dict[str, Any]], append: int
) -> None:
    moments: tuple[Moment, ...] = ("before", "after")
    await play(world, StoryOfThree(), [(append, moments[append % 2]), (1, moments[append // 2 % 2])])
    assert transcript(await world.events()) == undisturbed_three


async def test_every_incarnation_lives_for_one_append_only(world: World, undisturbed: list[dict[str, Any]]) -> None:
    await play(world, Story(), [(1, "after")] * APPENDS)
    assert transcript(await world.events()) == undisturbed


async def test_every_incarnation_dies_just_before_its_second_append(
    world: World, undisturbed: list[dict[str, Any]]
) -> None:
    await play(world, Story(), [(2, "before")] * APPENDS)
    assert transcript(await world.events()) == undisturbed


async def test_a_call_that_must_not_be_repeated_is_reported(world: World) -> None:
    executed: list[str] = []

    @tool(on_unknown_outcome="report")
    async def pay(context: ToolContext) -> str:
        """Pay."""
        executed.append(context.tool_call_id)
        return "paid"

    story = Story()
    story.agent = Agent(
        name="payer", model=ScriptedModel([Step(calls=[Call("pay")]), Step("I do not know.")]), tools=(pay,)
    )
    story.acts = story.acts[:1]
    # The third append is the result: the call was executed, and nothing will ever say so.
    await play(world, story, [(3, "before")])

    assert len(executed) == 1
    unknown = "The outcome of this call is unknown: it was interrupted and is not repeated."
    assert results(await world.events()) == [("unknown", unknown)]
    assert ends(await world.events()) == [("completed", None)]

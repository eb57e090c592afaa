"""Crash everywhere: one scripted conversation, killed at every append, tells the same story in the end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest

from agents.agent import Agent
from agents.codec import encode
from agents.conversation import Conversation
from agents.models import Call, ScriptedModel, Step
from agents.tools import ToolContext, tool
from agents.turn import Event
from agents.turn.inputs import Resolve
from store.log.log import Log
from tests.support.conversations import World, ends, rest, results, say

APPENDS = 10
"""How many appends the story takes; a test below counts them."""

Moment = Literal["before", "after"]
Act = Callable[[Conversation], Awaitable[None]]
MORTAL = {"at", "message_id", "expires_at"}
"""What may differ between two tellings: times, and the epoch that a message id carries."""


class MortalLog:
    """A log whose writer dies at an append: just before it is written, or right after, before anything follows."""

    def __init__(self, log: Log, dies_at: int, moment: Moment) -> None:
        self._log = log
        self._dies_at = dies_at
        self._moment = moment
        self.appends = 0
        self.dead = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, *arguments: Any, **options: Any) -> int:
        self.appends += 1
        if self.appends == self._dies_at and self._moment == "before":
            await self._die()
        last_seq = await self._log.append(*arguments, **options)
        if self.appends == self._dies_at:
            await self._die()
        return last_seq

    async def _die(self) -> None:
        self.dead.set()
        await asyncio.Event().wait()


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


async def tell(world: World, story: Story, lives: list[tuple[int, Moment]]) -> int:
    """Play the story; each life ends at its append, and whoever was interrupted repeats. Appends of the last life."""
    await world.create(story.agent)
    conversation, log = await incarnate(world, story.agent, lives)
    for act in story.acts:
        while not await survives(act(conversation), log):
            await world.crash(conversation)
            conversation, log = await incarnate(world, story.agent, lives)
    return log.appends


async def incarnate(world: World, agent: Agent, lives: list[tuple[int, Moment]]) -> tuple[Conversation, MortalLog]:
    store = world.connect()
    log = MortalLog(store.log, *(lives.pop(0) if lives else (0, "after")))
    store.log = log  # type: ignore[assignment]
    return await world.open(agent, store=store), log


async def survives(act: Awaitable[None], log: MortalLog) -> bool:
    """Whether the act was over before the incarnation died."""
    acting, dying = asyncio.ensure_future(act), asyncio.ensure_future(log.dead.wait())
    await asyncio.wait({acting, dying}, return_when=asyncio.FIRST_COMPLETED)
    dying.cancel()
    if not log.dead.is_set():
        await acting
        return True
    acting.cancel()
    await asyncio.gather(acting, return_exceptions=True)
    return False


def transcript(events: list[Event]) -> list[dict[str, Any]]:
    stored = (encode(event, at=0) for event in events)
    return [{name: value for name, value in record.items() if name not in MORTAL} for record in stored]


@pytest.fixture
async def undisturbed(world: World) -> list[dict[str, Any]]:
    """The story as it goes when nobody dies."""
    story = Story()
    appends = await tell(world, story, [])
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

    await tell(world, story, [(append, moment)])

    assert transcript(await world.events()) == undisturbed
    assert len(set(story.executed)) == 3, "a repeated call keeps its id"


async def test_every_incarnation_lives_for_one_append_only(world: World, undisturbed: list[dict[str, Any]]) -> None:
    await tell(world, Story(), [(1, "after")] * APPENDS)
    assert transcript(await world.events()) == undisturbed


async def test_every_incarnation_dies_just_before_its_second_append(
    world: World, undisturbed: list[dict[str, Any]]
) -> None:
    await tell(world, Story(), [(2, "before")] * APPENDS)
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
    # The third append is the result: the call was executed, and nobody will ever know.
    await tell(world, story, [(3, "before")])

    assert len(executed) == 1
    unknown = "The outcome of this call is unknown: it was interrupted and is not repeated."
    assert results(await world.events()) == [("unknown", unknown)]
    assert ends(await world.events()) == [("completed", None)]

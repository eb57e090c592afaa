"""Killed anywhere in the tree, in every phase: each log tells the same story in the end, and nothing is done twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Literal

import orjson
import pytest

from agents.agent import Agent
from agents.clock import now_ms
from agents.codec import encode
from agents.context import AgentContext
from agents.errors import Refused
from agents.models import Call, ScriptedModel, Step
from agents.tools import ToolContext, tool
from agents.turn.inputs import Resolve, UserMessage
from store import Store
from store.log.log import Log
from tests.support.conversations import World, ends, results, text
from tests.support.sub_agent_world import boss, manager, scholar, task

APPENDS = 19
"""How many appends the story takes, those of all conversations together; a test below counts them."""

Moment = Literal["before", "after"]
Victims = Literal["one", "all"]
MORTAL = {"at", "message_id", "expires_at"}


class MortalLog:
    """A log whose writer dies when fate says so: just before an append is written, or right after."""

    def __init__(self, log: Log, fate: "Fate", store: Store) -> None:
        self._log = log
        self._fate = fate
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, *arguments: Any, **options: Any) -> int:
        dies = self._fate.strikes()
        if dies == "before":
            await self._die()
        last_seq = await self._log.append(*arguments, **options)
        if dies == "after":
            await self._die()
        return last_seq

    async def _die(self) -> None:
        self._fate.dead.put_nowait(self._store)
        await asyncio.Event().wait()


class Fate:
    """Counts the appends of the whole tree, and strikes at those that it is told."""

    def __init__(self) -> None:
        self.appends = 0
        self.moments: dict[int, Moment] = {}
        self.dead: asyncio.Queue[Store] = asyncio.Queue()

    def strikes(self) -> Moment | None:
        self.appends += 1
        return self.moments.get(self.appends)


class MortalWorld(World):
    """A world in which incarnations die; a sweep finds what is left undone, as it would in a cluster."""

    def __init__(self, url: str, prefix: str) -> None:
        self.fate = Fate()
        self.victims: Victims = "one"
        super().__init__(url, prefix)

    def connect(self) -> Store:
        store = super().connect()
        store.log = MortalLog(store.log, self.fate, store)  # type: ignore[assignment]
        return store

    async def reap(self) -> None:
        """Bury the dead and wake what is due, for ever."""
        while True:
            store = await self.fate.dead.get()
            dying = [found for found, own in self._of.items() if own is store or self.victims == "all"]
            for conversation in dying:
                await self.crash(conversation)
            await self._sweep()

    async def _sweep(self) -> None:
        for conversation_id in await self.store.registry.unfinished(now_ms(), 100):
            await self.doors.reach(conversation_id)


@pytest.fixture
async def mortal(redis_url: str, redis_prefix: str) -> AsyncIterator[MortalWorld]:
    world = MortalWorld(redis_url, redis_prefix)
    reaping = asyncio.create_task(world.reap())
    yield world
    reaping.cancel()
    await asyncio.wait({reaping})
    assert reaping.cancelled(), reaping.exception()
    world.fate.moments.clear()
    await world.close()


class Story:
    """The root delegates to a manager, he to a clerk, who looks something up and sends a letter that is approved."""

    def __init__(self) -> None:
        self.executed: list[str] = []

        @tool
        async def look_up(word: str, context: ToolContext) -> str:
            """Look a word up."""
            self.executed.append(f"{context.conversation_id} {context.tool_call_id}")
            return f"{word}: a word"

        @tool(approval="required")
        async def send(words: str, context: ToolContext) -> str:
            """Send a letter."""
            self.executed.append(f"{context.conversation_id} {context.tool_call_id}")
            return f"{words}, signed {context.principal}"

        steps = [
            Step(calls=[Call("look_up", {"word": "ray"})]),
            Step(calls=[Call("send", {"words": "hi"})]),
            Step("Sent."),
        ]
        clerk = Agent(name="clerk", model=ScriptedModel(steps), tools=(look_up, send))
        middle = manager(clerk, calls=[task("clerk", "write")])
        self.root = boss(middle, calls=[task("manager", "see to it")])

    async def tell(self, world: World) -> None:
        """Ask, approve what is asked, and wait for the end."""
        await world.start(self.root)
        message = UserMessage(content=text("go"), client_id="go", principal="ada")
        await world.doors.send("c", message, AgentContext(principal="ada"))
        pending = await state_of(world, "awaiting_input")
        [tool_call_id] = pending
        resolution = Resolve(
            tool_call_id=tool_call_id,
            decision="approve",
            principal="bob",
            arguments_hash=pending[tool_call_id]["arguments_hash"],
        )
        with suppress(Refused):  # it is in the log, but who took it died before saying so
            await world.doors.resolve("c", resolution, AgentContext(principal="bob"))
        await state_of(world, "idle")


async def state_of(world: World, state: str, conversation_id: str = "c") -> dict[str, Any]:
    """Wait until a root is in this state; what is pending then."""
    found: dict[str, Any] = {}
    async with asyncio.timeout(20):
        while found.get("state") != state:
            cached = (await world.store.registry.get(conversation_id)).state
            found = {} if cached is None else orjson.loads(cached)
            await asyncio.sleep(0.002)
    pending: dict[str, Any] = found["pending"]
    return pending


async def transcripts(world: World) -> dict[str, list[dict[str, Any]]]:
    """The logs of the whole tree by conversation."""
    told: dict[str, list[dict[str, Any]]] = {}
    to_read = ["c"]
    while to_read:
        conversation_id = to_read.pop()
        records = (encode(event, at=0) for event in await world.events(conversation_id))
        told[conversation_id] = [{key: record[key] for key in record if key not in MORTAL} for record in records]
        to_read += [child.id for child in await world.store.registry.children(conversation_id)]
    return told


@pytest.fixture
async def undisturbed(mortal: MortalWorld) -> dict[str, list[dict[str, Any]]]:
    """The tree as it is when nobody dies."""
    story = Story()
    await story.tell(mortal)
    assert mortal.fate.appends == APPENDS, "every append is visited below"
    told = await transcripts(mortal)
    bottom = max(told, key=len)
    assert len(told) == 3
    assert results(await mortal.events(bottom)) == [("ok", "ray: a word"), ("ok", "hi, signed bob")]
    assert results(await mortal.events()) == [("ok", "managed")]
    for conversation_id in told:
        assert ends(await mortal.events(conversation_id)) == [("completed", None)]
    for conversation in tuple(mortal.doors.live.values()):
        await mortal.crash(conversation)
    await mortal.store.registry.delete("c")
    mortal.fate.appends = 0
    return told


@pytest.mark.parametrize("victims", ["one", "all"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("append", range(1, APPENDS + 1))
async def test_killed_at_any_append_of_any_member(
    mortal: MortalWorld,
    undisturbed: dict[str, list[dict[str, Any]]],
    append: int,
    moment: Moment,
    victims: Victims,
) -> None:
    story = Story()
    mortal.victims = victims
    mortal.fate.moments = {append: moment}

    await story.tell(mortal)

    assert await transcripts(mortal) == undisturbed
    assert len(set(story.executed)) == 2, "a repeated call keeps its id"


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_everybody_dies_at_every_second_append(
    mortal: MortalWorld, undisturbed: dict[str, list[dict[str, Any]]], moment: Moment
) -> None:
    story = Story()
    mortal.victims = "all"
    mortal.fate.moments = dict.fromkeys(range(2, 100, 2), moment)
    await story.tell(mortal)
    assert await transcripts(mortal) == undisturbed


async def test_a_cancel_is_finished_wherever_the_tree_is_killed(mortal: MortalWorld) -> None:
    """From the cancel on, every append kills everybody; a last look at each finds it ended."""
    story = Story()
    root = await mortal.start(story.root)
    await root.send(UserMessage(content=text("go"), client_id="go", principal="ada"))
    await state_of(mortal, "awaiting_input")
    mortal.victims = "all"
    mortal.fate.moments = dict.fromkeys(range(mortal.fate.appends + 1, 100), "after")
    with suppress(Refused):  # as above
        await mortal.doors.cancel("c", "ada")
    for conversation_id in await transcripts(mortal):
        await finished(mortal, conversation_id)
    assert story.executed != []


async def finished(world: World, conversation_id: str) -> None:
    """Wait for the end of the one turn; the conversation is started again as often as it dies."""

    async def over() -> bool:
        await world.doors.reach(conversation_id)
        return ends(await world.events(conversation_id)) == [("cancelled", "user_cancelled")]

    async with asyncio.timeout(20):
        while not await over():  # noqa: ASYNC110 - it is a log that tells
            await asyncio.sleep(0.005)


async def test_tasks_side_by_side_end_once_each_wherever_the_tree_is_killed(mortal: MortalWorld) -> None:
    """Their appends come in any order, so that each run kills at another place; what counts is the end."""
    scholars = [scholar(Step(f"answer {name}"), name=name) for name in "ab"]
    root = boss(*scholars, calls=[task("a", "go"), task("b", "go")])
    mortal.victims = "all"
    for number in range(1, 12):
        conversation_id = f"tree{number}"
        await mortal.start(root, conversation_id)
        mortal.fate.moments = {mortal.fate.appends + number: "after"}
        message = UserMessage(content=text("go"), client_id="go", principal="ada")
        await mortal.doors.send(conversation_id, message, AgentContext(principal="ada"))
        await state_of(mortal, "idle", conversation_id)
        assert sorted(results(await mortal.events(conversation_id))) == [("ok", "answer a"), ("ok", "answer b")]
        assert ends(await mortal.events(conversation_id)) == [("completed", None)]
        for child in await mortal.store.registry.children(conversation_id):
            assert ends(await mortal.events(child.id)) == [("completed", None)]
            assert len(await mortal.events(child.id)) == 3

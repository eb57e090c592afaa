"""What a conversation tells its metrics: each turn, call and use once, with how it ended."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from agents.agent import Agent
from agents.errors import ModelError
from agents.middleware.retry import Retry
from agents.models import Call, ScriptedModel, Step
from agents.tools import tool
from agents.turn.inputs import Resolve
from agents.turn.states import ExitReason
from tests.messages_api import ErrorReply, MessagesServer, Reply
from tests.support.conversation_workbench import Bench, Talker, worker
from tests.support.conversations import World, rest, say, until


class Noted:
    """Metrics that keep what they are told; times are left out, but must be ones."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.tokens = Counter[str]()

    def note_turn(self, agent: str, outcome: str, seconds: float, *, waited: bool) -> None:
        self._add("turn", agent, outcome, "waited" if waited else "at once", seconds=seconds)

    def note_first_token(self, agent: str, seconds: float) -> None:
        self._add("first token", agent, seconds=seconds)

    def note_model_call(self, model: str, outcome: str, status: int | None, seconds: float) -> None:
        self._add("model", model, outcome, status, seconds=seconds)

    def note_usage(self, model: str, tokens: Mapping[str, int], cost: int) -> None:
        assert cost >= 0
        self.tokens.update(tokens)

    def note_tool_call(self, tool: str, outcome: str, seconds: float) -> None:
        self._add("tool", tool, outcome, seconds=seconds)

    def note_exit(self, reason: str) -> None:
        self.told.append(("exit", reason))

    def _add(self, *told: object, seconds: float) -> None:
        assert 0 <= seconds < 60
        self.told.append(told)


@pytest.fixture
def noted(world: World) -> Noted:
    world.metrics = Noted()
    return world.metrics


@tool
async def fail() -> str:
    """Fail."""
    raise RuntimeError("no")


async def test_a_turn_with_a_tool(world: World, noted: Noted) -> None:
    bench = Bench()
    bench.finish.set()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await rest(conversation)
    await conversation.stop(ExitReason.IDLE)
    assert noted.told == [
        ("first token", "worker"),
        ("model", "scripted", "completed", 200),
        ("tool", "work", "ok"),
        ("model", "scripted", "completed", 200),
        ("turn", "worker", "completed", "at once"),
        ("exit", "idle"),
    ]


async def test_a_tool_that_fails(world: World, noted: Noted) -> None:
    conversation = await world.start(worker(fail, calls=[Call("fail")]))
    await say(conversation)
    await rest(conversation)
    assert ("tool", "fail", "error") in noted.told


async def test_a_cancelled_call_of_a_model_and_of_a_tool(world: World, noted: Noted) -> None:
    hanging = await world.start(Agent(name="hanging", model=ScriptedModel(lambda _: Step("Well", hangs="after"))))
    await say(hanging)
    await until(lambda: hanging.inspect().streaming)
    await hanging.cancel()
    bench = Bench()
    working = await world.start(worker(bench.tool), "w")
    await say(working)
    await bench.begun()
    await working.cancel()
    await until(lambda: ("tool", "work", "cancelled") in noted.told)
    assert [told for told in noted.told if told[0] in ("turn", "tool") or "cancelled" in told] == [
        ("turn", "hanging", "cancelled", "at once"),
        ("model", "scripted", "cancelled", None),
        ("turn", "worker", "cancelled", "at once"),
        ("tool", "work", "cancelled"),
    ]


async def test_a_turn_that_asks_people_has_waited(world: World, noted: Noted) -> None:
    bench = Bench(approval="required")
    bench.finish.set()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await rest(conversation)
    [call] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=call, decision="approve", principal="ada"))
    await rest(conversation)
    await say(conversation)
    await rest(conversation)
    turns = [told for told in noted.told if told[0] == "turn"]
    assert turns == [("turn", "worker", "completed", "waited")]


async def test_every_failed_try_is_counted(world: World, noted: Noted) -> None:
    failing = [Step("", failure=ModelError("overloaded", "It is."), fails="before")] * 2
    steps = iter([*failing, Step("there")])
    model = ScriptedModel(lambda _: next(steps))
    conversation = await world.start(Agent(name="a", model=model, middleware=[Retry(first_pause=0)]))
    await say(conversation)
    await rest(conversation)
    calls = [told for told in noted.told if told[0] == "model"]
    assert calls == [("model", "scripted", "overloaded", None)] * 2 + [("model", "scripted", "completed", 200)]


async def test_the_status_is_the_provider_s(
    world: World, noted: Noted, talker: Talker, messages_api: MessagesServer
) -> None:
    messages_api.enqueue(ErrorReply(529, "overloaded_error"), Reply(text="there"), ErrorReply(401))
    conversation = await world.start(talker())
    for _ in range(2):
        await say(conversation)
        await rest(conversation)
    assert [told for told in noted.told if told[0] == "model"] == [
        ("model", "claude", "overloaded", 529),
        ("model", "claude", "completed", 200),
        ("model", "claude", "authentication", 401),
    ]


async def test_usage_is_told_by_kind_and_once(world: World, noted: Noted) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("one two"), Step("three")])))
    for _ in range(2):
        await say(conversation)
        await rest(conversation)
    used = conversation.history.facts.usage
    assert noted.tokens == {kind: count for kind, count in used.items() if count}

"""What models and callers send and the log cannot hold is refused with a sentence; the conversation goes on."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from agents.agent import Agent
from agents.errors import Refused
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call, Completed, ScriptedModel, Step, TextChunk, TokenUsage
from agents.storable import _LEVELS_WRITTEN, MAX_LEVELS, storage_problem
from agents.tools import tool
from agents.turn.events import ToolCall, TurnEnded
from agents.turn.inputs import Resolve, UserMessage
from tests.messages_api import MessagesServer, ToolUse
from tests.messages_api import Reply as Answer
from tests.support.conversation_workbench import Bench, Talker, worker
from tests.support.conversations import World, ends, rest, results, say, spoken, text, until
from tests.support.unstorable import each_value, nested, stopped_by


def test_the_bound_leaves_room_for_what_is_put_around_a_value() -> None:
    orjson.dumps(nested(_LEVELS_WRITTEN))
    with pytest.raises(TypeError, match="Recursion limit reached"):
        orjson.dumps(nested(_LEVELS_WRITTEN + 1))
    assert storage_problem(nested(MAX_LEVELS)) is None
    assert storage_problem(nested(MAX_LEVELS + 1)) == "it nests more than 100 levels deep"


async def test_arguments_that_nest_too_deep_are_refused_and_the_model_reads_why(
    world: World, talker: Talker, messages_api: MessagesServer
) -> None:
    bench = Bench()
    deep = orjson.loads("[" * 300 + "]" * 300)
    raw = '{"job": ' + "[" * 300 + "]" * 300 + "}"
    assert storage_problem(deep) is not None
    messages_api.enqueue(Answer(calls=[ToolUse("work", raw=raw), ToolUse("unknown", raw=raw)]), Answer("I see."))
    conversation = await world.start(talker(bench.tool))
    await say(conversation)

    assert await rest(conversation) == "idle"

    events = await world.events()
    assert results(events) == [
        (
            "error",
            "The arguments cannot be stored: it nests more than 100 levels deep. Send them again without that.",
        ),
        ("error", "There is no tool named unknown. Tools: work."),
    ]
    assert [event.arguments for event in events if isinstance(event, ToolCall)] == [{}, {}]
    assert bench.runs == []
    assert ends(events) == [("completed", None)]
    assert len(messages_api.requests) == 2, "nothing is asked and paid for again"


async def test_arguments_at_the_bound_are_run_and_read_back(
    world: World, talker: Talker, messages_api: MessagesServer
) -> None:
    seen: list[Any] = []

    @tool(approval="required")
    def dig(hole: Any) -> str:
        """Dig."""
        seen.append(hole)
        return "dug"

    raw = '{"hole": ' + "[" * (MAX_LEVELS - 1) + "]" * (MAX_LEVELS - 1) + "}"
    messages_api.enqueue(Answer(calls=[ToolUse("dig", raw=raw)]), Answer("I see."))
    agent = talker(dig)
    conversation = await world.start(agent)
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    await world.crash(conversation)
    conversation = await world.open(agent)
    await rest(conversation)
    [key] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=key, decision="approve"))
    assert await rest(conversation) == "idle"
    assert seen == [orjson.loads(raw)["hole"]]
    assert ends(await world.events()) == [("completed", None)]


async def test_an_unknown_block_of_the_provider_that_nests_too_deep_fails_the_turn(
    world: World, talker: Talker, messages_api: MessagesServer
) -> None:
    messages_api.enqueue(Answer(blocks=[{"type": "novelty", "data": nested(200)}]))
    conversation = await world.start(talker())
    await say(conversation)
    assert await rest(conversation) == "idle"
    end = (await world.events())[-1]
    assert isinstance(end, TurnEnded)
    assert (end.outcome, end.reason) == ("failed", "unstorable_answer")
    assert end.detail == "The model's answer cannot be stored: it nests more than 100 levels deep."
    assert len(messages_api.requests) == 1


class FixedModel:
    """Gives these events as its answer."""

    name = "fixed"

    def __init__(self, *events: Any) -> None:
        self.calls = 0
        self._events = events

    async def stream(self, request: object) -> Any:
        self.calls += 1
        for event in self._events:
            yield event

    async def aclose(self) -> None: ...


@pytest.mark.parametrize("usage", [{"input_tokens": 2**70}, {"output_tokens": b"1"}], ids=str)
async def test_the_usage_that_a_model_reports_is_checked(world: World, usage: dict[str, Any]) -> None:
    model = FixedModel(TextChunk("hi"), Completed([{"type": "text", "text": "hi"}], "end_turn", TokenUsage(**usage)))
    conversation = await world.start(Agent(name="a", model=model))
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("failed", "unstorable_answer")]
    assert model.calls == 1


async def test_half_a_surrogate_in_a_text_that_was_cut_off_is_replaced(world: World) -> None:
    model = FixedModel(TextChunk("a \ud83d"))
    conversation = await world.start(Agent(name="a", model=model))
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("failed", "stream_broken")]
    assert spoken(await world.events()) == [("a ?", "interrupted")]


async def test_an_object_that_cannot_be_stored_is_asked_for_again(world: World) -> None:
    class Found(BaseModel):
        number: int

    steps = [Step('{"number": 1000000000000000000000000000000}'), Step('{"number": 3}')]
    conversation = await world.start(Agent(name="a", model=ScriptedModel(steps), output=Found))
    answer = await conversation.ask("a number")
    assert answer.output == Found(number=3)


@each_value
async def test_a_message_is_refused(world: World, value: object, problem: str) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("hi")])))
    message = UserMessage(content=[{"type": "text", "text": value}])
    with pytest.raises(Refused) as refused:
        await conversation.send(message)
    assert (refused.value.code, refused.value.detail) == (
        "invalid_request",
        f"This message cannot be stored: {problem}.",
    )
    assert await world.events() == []
    await say(conversation)
    assert await rest(conversation) == "idle"


async def test_what_middleware_makes_of_a_message_is_checked(world: World) -> None:
    async def change(self: Middleware, message: UserMessage, context: TurnContext) -> UserMessage:
        return replace(message, content=text("\ud83d"))

    agent = Agent(name="a", model=ScriptedModel([Step("hi")]), middleware=(stopped_by("handle_message", change),))
    conversation = await world.start(agent)
    with pytest.raises(Refused, match="Culprit failed in handle_message: what it returned cannot be stored") as refused:
        await say(conversation)
    assert refused.value.code == "middleware_failed"
    assert await world.events() == []


@pytest.mark.parametrize(
    "decision",
    [
        {"decision": "respond", "answer": nested(300)},
        {"decision": "respond", "answer": {1}},
        {"decision": "edit", "arguments": {"job": "\ud83d"}},
        {"decision": "edit", "arguments": {"job": nested(300)}},
        {"decision": "reject", "reason": "\ud83d"},
    ],
    ids=str,
)
async def test_a_decision_is_refused_and_nothing_runs_twice(world: World, decision: dict[str, Any]) -> None:
    bench, gated = Bench(), Bench(approval="required", name="gated")
    agent = worker(bench.tool, gated.tool, calls=[Call("work"), Call("gated")])
    conversation = await world.start(agent)
    await say(conversation)
    await bench.begun()
    await until(lambda: conversation.inspect().pending)
    [key] = conversation.inspect().pending

    for tool_call_id in (key, "any"):
        with pytest.raises(Refused, match="This decision cannot be stored: ") as refused:
            await conversation.resolve(Resolve(tool_call_id=tool_call_id, **decision))
        assert refused.value.code == "invalid_decision"

    assert not conversation.gone.done()
    assert len(bench.runs) == 1
    await conversation.resolve(Resolve(tool_call_id=key, decision="reject"))
    bench.finish.set()
    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("completed", None)]

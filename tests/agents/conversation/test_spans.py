"""The spans of a conversation's work: one tree for each turn, by OpenTelemetry's conventions for generative AI."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from structlog.contextvars import get_contextvars

from agents.agent import Agent
from agents.context import AgentContext, current_context
from agents.conversation.span_attributes import usage_attributes
from agents.errors import ModelError
from agents.middleware.sub_agent import SubAgent
from agents.models import Call, ScriptedModel, Step
from agents.tools import Tool, ToolContext, tool
from agents.tracing import NO_SPAN, NoTracer, valid_traceparent
from agents.turn.events import AssistantMsg
from agents.turn.inputs import Resolve, UserMessage
from tests.support.conversations import World, rest
from tests.support.recorded_spans import SPAN_ID, TRACE_ID, TRACEPARENT, SpanMemory, tree

SENT = AgentContext(principal="ada", trace_id=TRACE_ID, traceparent=TRACEPARENT)


@pytest.fixture
def memory(world: World) -> SpanMemory:
    memory = SpanMemory()
    world.tracer = memory.tracer
    return memory


def agent(*tools: Tool, steps: list[Step] | None = None, **options: Any) -> Agent:
    made = steps or [Step(calls=[Call(each.name) for each in tools]), Step("done")]
    return Agent(name="helper", model=ScriptedModel(made), tools=tools, **options)


def message(words: str = "hello", **more: Any) -> UserMessage:
    return UserMessage(content=[{"type": "text", "text": words}], principal="ada", **more)


@tool
async def look() -> str:
    """Look around."""
    return "a secret garden"


async def test_a_turn_is_one_tree_below_the_span_of_its_caller(world: World, memory: SpanMemory) -> None:
    conversation = await world.start(agent(look))
    await conversation.send(message(), SENT)
    await rest(conversation)
    assert tree(memory.spans) == [
        "append",
        ("invoke_agent helper", ["chat scripted", "append", "execute_tool look", "append", "chat scripted", "append"]),
    ]
    assert {span.trace_id for span in memory.spans} == {TRACE_ID}
    events = [event for span in memory.named("append") for event in span.attributes["raylogue.events"]]
    assert events == ["user_msg", "assistant_msg", "tool_call", "tool_result", "assistant_msg", "turn_ended"]


async def test_attributes_are_those_of_the_conventions(world: World, memory: SpanMemory) -> None:
    conversation = await world.start(agent(steps=[Step("done")]))
    await conversation.send(message(), SENT)
    await rest(conversation)
    [chat], [turn] = memory.named("chat scripted"), memory.named("invoke_agent helper")
    [answer] = [event for event in await world.events() if isinstance(event, AssistantMsg)]
    tokens = {
        "gen_ai.usage.input_tokens": answer.usage["input_tokens"],
        "gen_ai.usage.output_tokens": answer.usage["output_tokens"],
    }
    first = chat.attributes.pop("gen_ai.response.time_to_first_chunk")
    assert first >= 0
    assert (chat.kind, chat.attributes) == (
        "client",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "scripted",
            "gen_ai.request.model": "scripted",
            "gen_ai.request.max_tokens": 8192,
            "gen_ai.request.stream": True,
            "gen_ai.response.model": "scripted",
            "gen_ai.response.finish_reasons": ("end_turn",),
            "gen_ai.conversation.id": "c",
            "raylogue.turn": 1,
            "raylogue.step": 1,
            **tokens,
        },
    )
    assert (turn.kind, turn.attributes) == (
        "internal",
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "helper",
            "gen_ai.conversation.id": "c",
            "raylogue.turn": 1,
            "raylogue.epoch": (await world.store.registry.get("c")).epoch,
            "raylogue.outcome": "completed",
            "raylogue.state": "idle",
            **tokens,
        },
    )
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    used = {name for span in memory.spans for name in span.attributes if name.startswith("gen_ai.")}
    assert used <= known


async def test_content_is_recorded_only_when_asked_for(world: World) -> None:
    for has_content in (False, True):
        memory = SpanMemory(has_content=has_content)
        world.tracer = memory.tracer
        conversation = await world.start(agent(look, system_prompt="Be kind."), f"c{has_content}")
        await conversation.send(message("what is there?"), SENT)
        await rest(conversation)
        said = json.dumps([span.attributes for span in memory.spans])
        for words in ("what is there?", "a secret garden", "Be kind.", "Look around."):
            assert (words in said) is has_content
    first, second = memory.named("chat scripted")
    shown = {name: json.loads(second.attributes[f"gen_ai.{name}.messages"]) for name in ("input", "output")}
    assert [each["role"] for each in shown["input"]] == ["user", "assistant", "user"]
    assert shown["input"][0]["parts"] == [{"type": "text", "content": "what is there?"}]
    [call], [result] = shown["input"][1]["parts"], shown["input"][2]["parts"]
    assert (call["type"], call["name"], result["type"], result["id"]) == (
        "tool_call",
        "look",
        "tool_call_response",
        call["id"],
    )
    assert shown["output"] == [
        {"role": "assistant", "parts": [{"type": "text", "content": "done"}], "finish_reason": "end_turn"}
    ]
    assert [part["name"] for part in json.loads(first.attributes["gen_ai.output.messages"])[0]["parts"]] == ["look"]


async def test_what_a_tool_sees_and_records_stands_below_its_own_span(world: World, memory: SpanMemory) -> None:
    seen: list[Any] = []

    def note(context: ToolContext) -> None:
        own = trace.get_current_span().get_span_context()
        bound = {name: get_contextvars().get(name) for name in ("conversation_id", "turn", "trace_id")}
        seen.append((f"{own.span_id:016x}", current_context().traceparent, context.context.traceparent, bound))

    @tool
    async def here(context: ToolContext) -> str:
        """Look around."""
        note(context)
        return "ok"

    @tool
    def there(context: ToolContext) -> str:
        """Look around from a thread."""
        note(context)
        return "ok"

    conversation = await world.start(agent(here, there))
    await conversation.send(message(), SENT)
    await rest(conversation)
    for name, (current, traceparent, given, bound) in zip(("here", "there"), seen, strict=True):
        [span] = memory.named(f"execute_tool {name}")
        assert current == span.span_id
        assert traceparent == given == f"00-{TRACE_ID}-{span.span_id}-01"
        assert bound == {"conversation_id": "c", "turn": 1, "trace_id": TRACE_ID}


async def test_a_sub_agent_works_in_the_trace_of_its_parent(world: World, memory: SpanMemory) -> None:
    scout = Agent(name="scout", model=ScriptedModel([Step("found it")]))
    call = Call("task", {"agent": "scout", "prompt": "look"})
    parent = agent(steps=[Step(calls=[call]), Step("done")], middleware=(SubAgent([scout], general=False),))
    conversation = await world.start(parent)
    await conversation.send(message(), SENT)
    await rest(conversation)
    [task], [child] = memory.named("execute_tool task"), memory.named("invoke_agent helper/scout")
    assert (child.parent_id, child.trace_id) == (task.span_id, TRACE_ID)
    assert child.attributes["raylogue.parent"] == "c"


async def test_failures_are_marked_with_a_code_and_no_words_of_people(world: World, memory: SpanMemory) -> None:
    @tool
    async def stumble() -> str:
        """Fail."""
        raise ValueError("a private word")

    class Broken:
        name = "broken"

        async def stream(self, request: object) -> Any:
            raise ModelError("overloaded", "The provider is overloaded.")
            yield

        async def aclose(self) -> None: ...

    conversation = await world.start(agent(stumble))
    await conversation.send(message(), SENT)
    await rest(conversation)
    other = await world.start(Agent(name="other", model=Broken()), "d")
    await other.send(message(), SENT)
    await rest(other)
    failed = {span.name: span.error for span in memory.spans if span.error is not None}
    assert failed == {"execute_tool stumble": "error", "chat broken": "overloaded", "invoke_agent other": "overloaded"}
    assert "a private word" not in str(memory.spans)


@tool(approval="required")
async def gated() -> str:
    """Look around, if you may."""
    return "ok"


async def test_an_answer_goes_on_in_the_trace_of_the_message_and_links_to_both(
    world: World, memory: SpanMemory
) -> None:
    conversation = await world.start(agent(gated))
    await conversation.send(message(), SENT)
    await rest(conversation)
    [asking] = memory.named("invoke_agent helper")
    assert asking.attributes["raylogue.state"] == "awaiting_input", "no span is open while people think"
    [key] = conversation.inspect().pending
    answering = f"00-{'b' * 32}-{'c' * 16}-01"
    decision = Resolve(tool_call_id=key, decision="approve", principal="eve")
    await conversation.resolve(decision, AgentContext(principal="eve", trace_id="b" * 32, traceparent=answering))
    await rest(conversation)
    _, going_on = memory.named("invoke_agent helper")
    assert (going_on.trace_id, going_on.parent_id) == (TRACE_ID, SPAN_ID)
    assert going_on.links == [f"{TRACE_ID}-{asking.span_id}", answering[3:-3]]
    assert (await world.store.registry.get("c")).trace is None, "nothing is unfinished"


@pytest.mark.parametrize("answered", [True, False])
async def test_a_turn_that_is_taken_up_again_links_to_where_it_was(
    world: World, memory: SpanMemory, answered: bool
) -> None:
    conversation = await world.start(agent(gated, steps=None if answered else [Step(hangs="before")]))
    await conversation.send(message(), SENT)
    if answered:
        await rest(conversation)
        [former] = [f"{span.trace_id}-{span.span_id}" for span in memory.named("invoke_agent helper")]
    stored = (await world.store.registry.get("c")).trace
    assert stored is not None
    if not answered:
        former = stored[3:-3]
    await world.crash(conversation)
    conversation = await world.open(agent(gated, steps=[Step("done")]))
    if answered:
        [key] = conversation.inspect().pending
        await conversation.resolve(Resolve(tool_call_id=key, decision="approve", principal="ada"), SENT)
    await rest(conversation)
    again = memory.named("invoke_agent helper")[-1]
    assert former in again.links
    assert again.attributes["raylogue.epoch"] == (await world.store.registry.get("c")).epoch
    assert (again.parent_id == SPAN_ID) is answered
    assert (again.trace_id == TRACE_ID) is answered
    assert (await world.store.registry.get("c")).trace is None


async def test_a_queued_message_has_its_own_tree(world: World, memory: SpanMemory) -> None:
    other = f"00-{'b' * 32}-{'c' * 16}-01"
    conversation = await world.start(agent(steps=[Step("one"), Step("two")]))
    await conversation.send(message("first"), SENT)
    queued = message("second", on_busy="queue")
    await conversation.send(queued, AgentContext(principal="ada", trace_id="b" * 32, traceparent=other))
    await rest(conversation)
    first, second = memory.named("invoke_agent helper")
    assert (first.parent_id, second.parent_id) == (SPAN_ID, "c" * 16)
    assert [span.attributes["raylogue.turn"] for span in (first, second)] == [1, 2]
    assert second.links == []


async def test_a_message_that_was_sent_before_begins_nothing(world: World, memory: SpanMemory) -> None:
    conversation = await world.start(agent(steps=[Step("one")]))
    for _ in range(2):
        await conversation.send(message(client_id="m1"), SENT)
        await rest(conversation)
    assert len(memory.named("invoke_agent helper")) == 1


async def test_nothing_is_recorded_or_stored_without_a_tracer(world: World) -> None:
    assert NoTracer().span("chat", {}, TRACEPARENT) is NO_SPAN
    seen: list[AgentContext] = []

    @tool
    async def here(context: ToolContext) -> str:
        """Look around."""
        seen.append(current_context())
        assert (await world.store.registry.get("c")).trace is None
        return "ok"

    conversation = await world.start(agent(here))
    await conversation.send(message(), SENT)
    await rest(conversation)
    assert seen == [SENT], "what the client has sent goes on to whom the tool calls"


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (TRACEPARENT, TRACEPARENT),
        (f"cc{TRACEPARENT[2:]}-more of it", f"cc{TRACEPARENT[2:]}"),
        (f"ff{TRACEPARENT[2:]}", None),
        (TRACEPARENT.upper(), None),
        (f"00-{'0' * 32}-{SPAN_ID}-01", None),
        (f"00-{TRACE_ID}-{'0' * 16}-01", None),
        (f"{TRACEPARENT}\n", None),
        ("", None),
        (None, None),
    ],
)
def test_a_header_that_is_not_valid_is_none(header: str | None, known: str | None) -> None:
    assert valid_traceparent(header) == known


def test_tokens_of_the_cache_count_as_input() -> None:
    usage = {"input_tokens": 10, "output_tokens": 3, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2}
    assert usage_attributes(usage, 1_500) == {
        "gen_ai.usage.input_tokens": 17,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 5,
        "gen_ai.usage.cache_creation.input_tokens": 2,
        "raylogue.cost": 0.0015,
    }
    assert usage_attributes({}, None) == {}


@dataclass(frozen=True, slots=True)
class _ContextBefore:
    """`AgentContext` as the code before had it."""

    tenant: str | None = None
    principal: str | None = None
    trace_id: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


def test_processes_with_the_code_before_understand_a_context_and_are_understood() -> None:
    assert pickle.loads(pickle.dumps(SENT)) == SENT
    make, known, *state = SENT.__reduce__()
    assert make is AgentContext
    before = _ContextBefore(*known)
    before.__setstate__(*state)  # type: ignore[attr-defined]  # a frozen dataclass with slots has it
    assert (before.principal, before.trace_id, before.values) == ("ada", TRACE_ID, {})
    assert AgentContext("acme", "ada", "t1", {}).__reduce__() == (AgentContext, ("acme", "ada", "t1", {}))

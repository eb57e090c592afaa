"""The callbacks of middleware: their order, what each may change, and what becomes of a failure."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from agents.agent import Agent
from agents.errors import AgentDefinitionError, Refused, TurnStopped
from agents.examples.offline.assistant import assistant_script
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.middleware import Middleware, StreamCall, ToolRun
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call, Completed, ModelEvent, ModelRequest, ScriptedModel, Step, TextChunk
from agents.tools import ToolOutcome, tool
from agents.turn.commands import RunTool
from agents.turn.events import UserMsg
from agents.turn.inputs import UserMessage
from tests.support.conversations import World, ends, rest, results, say, spoken, until


@tool
def work(job: str = "any") -> str:
    """Work on something."""
    return f"{job} done"


class Named(Middleware):
    """Middleware with a given name, for notes of its calls."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self._name = name
        self.calls = calls

    @property
    def name(self) -> str:
        return self._name


class AllCallbacks(Named):
    def init(self, agent: Agent) -> None:
        self.calls.append(f"{self.name} init {agent.name}")

    async def on_start(self, context: TurnContext) -> None:
        self.calls.append(f"{self.name} on_start")

    async def handle_message(self, message: UserMessage, context: TurnContext) -> UserMessage:
        self.calls.append(f"{self.name} handle_message")
        return message

    async def system_prompt(self, context: TurnContext) -> str | None:
        return f"Section of {self.name}."

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        self.calls.append(f"{self.name} before_model {context.turn}.{context.step}")
        return replace(request, injected=[*request.injected, {"type": "text", "text": self.name}])

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        self.calls.append(f"{self.name} after_model")
        return reply

    async def stream(
        self, request: ModelRequest, call: StreamCall, context: TurnContext
    ) -> AsyncGenerator[ModelEvent, None]:
        self.calls.append(f"{self.name} stream opens")
        async for event in call(request):
            yield event
        self.calls.append(f"{self.name} stream ends")

    async def run_tool(self, command: RunTool, run: ToolRun, context: TurnContext) -> ToolOutcome:
        self.calls.append(f"{self.name} run_tool {command.call.name}")
        outcome = await run(command)
        self.calls.append(f"{self.name} ran {command.call.name}")
        return outcome


class RecordingScript:
    """A script that keeps the requests."""

    def __init__(self, *steps: Step) -> None:
        self.requests: list[ModelRequest] = []
        self._steps = steps

    def __call__(self, request: ModelRequest) -> Step:
        self.requests.append(request)
        return self._steps[sum(message["role"] == "assistant" for message in request.messages)]


async def test_the_order_before_the_model_is_reversed_after_it(world: World) -> None:
    calls: list[str] = []
    script = RecordingScript(Step(calls=[Call("work")]), Step("done"))
    stack = (AllCallbacks("A", calls), AllCallbacks("B", calls))
    agent = Agent(name="a", model=ScriptedModel(script), system_prompt="Be brief.", tools=(work,), middleware=stack)
    assert calls == ["A init a", "B init a"]
    conversation = await world.start(agent)
    await until(lambda: "B on_start" in calls)
    calls.clear()

    await say(conversation)
    await rest(conversation)

    one_call = lambda step: [  # noqa: E731
        f"A before_model 1.{step}",
        f"B before_model 1.{step}",
        "A stream opens",
        "B stream opens",
    ]
    assert calls[:2] == ["A handle_message", "B handle_message"]
    assert calls[2:6] == one_call(1)
    assert calls[6:8] == ["B after_model", "A after_model"]
    assert calls[8:12] == ["A run_tool work", "B run_tool work", "B ran work", "A ran work"]
    assert calls[12:16] == one_call(2)
    assert script.requests[0].system == "Be brief.\n\nSection of A.\n\nSection of B."
    assert script.requests[0].messages[-1]["content"] == [
        {"type": "text", "text": "hello"},
        {"type": "text", "text": "A"},
        {"type": "text", "text": "B"},
    ]


async def test_injected_parts_come_last_and_are_never_logged(world: World) -> None:
    script = RecordingScript(Step(calls=[Call("work")]), Step("done"))
    agent = Agent(name="a", model=ScriptedModel(script), tools=(work,), middleware=(AllCallbacks("A", []),))
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)

    second = script.requests[1]
    assert [message["role"] for message in second.messages] == ["user", "assistant", "user"]
    assert [block["type"] for block in second.messages[-1]["content"]] == ["tool_result", "text"]
    assert second.stable == 2, "injected parts change, so only the messages before them are worth caching"
    messages = [event for event in await world.events() if isinstance(event, UserMsg)]
    assert [message.content for message in messages] == [[{"type": "text", "text": "hello"}]]


def failing(callback: str) -> Middleware:
    """A middleware whose `callback` raises."""

    async def fail(self: Middleware, *_: object) -> None:
        raise RuntimeError("secret detail")

    async def fail_streaming(self: Middleware, *_: object) -> AsyncGenerator[ModelEvent, None]:
        raise RuntimeError("secret detail")
        yield TextChunk("never")  # makes it a generator

    body = fail_streaming if callback == "stream" else fail
    return type("Culprit", (Middleware,), {callback: body})()


@pytest.mark.parametrize("callback", ["system_prompt", "before_model", "stream", "after_model"])
async def test_a_failure_around_the_model_ends_the_turn_and_names_the_middleware(world: World, callback: str) -> None:
    ran: list[str] = []

    @tool(name="work")
    def recorded() -> str:
        """Work on something."""
        ran.append("work")
        return "done"

    model = ScriptedModel([Step("I will.", calls=[Call("work")])] * 2)
    agent = Agent(name="a", model=model, tools=(recorded,), middleware=(failing(callback),))
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)

    assert ends(await world.events()) == [("failed", "middleware_failed")]
    detail = (await world.events())[-1].detail  # type: ignore[union-attr]
    assert detail == f"The turn failed: the middleware Culprit failed in {callback}."
    assert ran == [], "nothing runs if the approval policy may have failed"


async def test_a_failure_before_a_message_is_logged_refuses_the_message(world: World) -> None:
    agent = Agent(name="a", model=ScriptedModel([Step("hi")]), middleware=(failing("handle_message"),))
    conversation = await world.start(agent)
    with pytest.raises(Refused, match="Culprit failed in handle_message") as refused:
        await say(conversation)
    assert refused.value.code == "middleware_failed"
    assert await world.events() == []


async def test_a_failure_around_a_tool_is_a_result_that_the_model_can_read(world: World) -> None:
    model = ScriptedModel([Step(calls=[Call("work")]), Step("done")])
    conversation = await world.start(Agent(name="a", model=model, tools=(work,), middleware=(failing("run_tool"),)))
    await say(conversation)
    await rest(conversation)
    assert results(await world.events()) == [("error", "work failed: the middleware Culprit failed in run_tool.")]
    assert ends(await world.events()) == [("completed", None)]


async def test_a_failure_in_on_start_does_not_stop_the_conversation(world: World) -> None:
    agent = Agent(name="a", model=ScriptedModel([Step("hi")]), middleware=(failing("on_start"),))
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    assert spoken(await world.events()) == [("hi", "completed")]


def returning(callback: str, value: object) -> Middleware:
    """A middleware whose `callback` returns this."""

    async def give(self: Middleware, *_: object) -> object:
        return value

    return type("Forgetful", (Middleware,), {callback: give})()


@pytest.mark.parametrize(
    ("callback", "value", "returned"),
    [
        ("before_model", None, "NoneType"),
        ("after_model", None, "NoneType"),
        ("after_model", "a text", "str"),
        ("system_prompt", 5, "int"),
    ],
)
async def test_a_callback_must_return_a_value_of_the_right_type(
    world: World, callback: str, value: object, returned: str
) -> None:
    agent = Agent(name="a", model=ScriptedModel([Step("hi")]), middleware=(returning(callback, value),))
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    assert ends(await world.events()) == [("failed", "middleware_failed")]
    detail = (await world.events())[-1].detail  # type: ignore[union-attr]
    assert detail == f"The turn failed: the middleware Forgetful failed in {callback}: it returned {returned}."


async def test_a_message_that_middleware_does_not_return_is_refused(world: World) -> None:
    agent = Agent(name="a", model=ScriptedModel([Step("hi")]), middleware=(returning("handle_message", None),))
    conversation = await world.start(agent)
    with pytest.raises(Refused, match="Forgetful failed in handle_message: it returned NoneType") as refused:
        await say(conversation)
    assert refused.value.code == "middleware_failed"
    assert not conversation.gone.done()
    assert await world.events() == []


@pytest.mark.parametrize(("value", "returned"), [(None, "NoneType"), ("done", "str")])
async def test_a_call_whose_outcome_middleware_does_not_return_fails(
    world: World, value: object, returned: str
) -> None:
    model = ScriptedModel([Step(calls=[Call("work")]), Step("done")])
    agent = Agent(name="a", model=model, tools=(work,), middleware=(returning("run_tool", value),))
    conversation = await world.start(agent)
    await say(conversation)
    assert await rest(conversation) == "idle"
    content = f"work failed: the middleware Forgetful failed in run_tool: it returned {returned}."
    assert results(await world.events()) == [("error", content)]
    assert ends(await world.events()) == [("completed", None)]


async def test_a_stream_must_yield_events_of_a_model(world: World) -> None:
    class Forgetful(Middleware):
        async def stream(
            self, request: ModelRequest, call: StreamCall, context: TurnContext
        ) -> AsyncGenerator[ModelEvent, None]:
            async for _ in call(request):
                yield None  # type: ignore[misc]

    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("hi")]), middleware=(Forgetful(),)))
    await say(conversation)
    await rest(conversation)
    detail = (await world.events())[-1].detail  # type: ignore[union-attr]
    assert detail == "The turn failed: the middleware Forgetful failed in stream: it yielded NoneType."


@pytest.mark.parametrize("offered", [None, ["work"]], ids=str)
def test_the_tools_of_middleware_must_be_tools(offered: object) -> None:
    forgetful = type("Forgetful", (Middleware,), {"tools": lambda _: offered})()
    with pytest.raises(AgentDefinitionError, match="agent a: the middleware Forgetful has tools that are none"):
        Agent(name="a", model=ScriptedModel(assistant_script), middleware=(forgetful,))


async def test_a_cancellation_that_escapes_from_a_tool_is_an_error_of_its_call(world: World) -> None:
    @tool(name="work")
    async def escape() -> str:
        """Lose a cancellation of its own."""
        raise asyncio.CancelledError

    model = ScriptedModel([Step(calls=[Call("work")]), Step("done")])
    conversation = await world.start(Agent(name="a", model=model, tools=(escape,)))
    await say(conversation)
    assert await rest(conversation) == "idle"
    [(status, content)] = results(await world.events())
    assert (status, content.startswith("work failed with an internal error (call ")) == ("error", True)


@pytest.mark.parametrize("callback", ["before_model", "after_model"])
async def test_a_cancellation_that_escapes_from_middleware_ends_the_turn(world: World, callback: str) -> None:
    async def escape(self: Middleware, *_: object) -> None:
        raise asyncio.CancelledError

    middleware = type("Culprit", (Middleware,), {callback: escape})()
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("hi")]), middleware=(middleware,)))
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("failed", "internal")]


async def test_a_message_may_be_changed_or_refused_before_it_is_logged(world: World) -> None:
    class Polite(Middleware):
        async def handle_message(self, message: UserMessage, context: TurnContext) -> UserMessage:
            if message.content[0]["text"] == "rude":
                raise Refused("impolite", "Say it again, nicely.")
            return replace(message, content=[*message.content, {"type": "text", "text": "please"}])

    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("hi")]), middleware=(Polite(),)))
    with pytest.raises(Refused, match="nicely"):
        await say(conversation, "rude")
    await say(conversation, "tea")
    await rest(conversation)
    [message] = [event for event in await world.events() if isinstance(event, UserMsg)]
    assert [block["text"] for block in message.content] == ["tea", "please"]


@pytest.mark.parametrize("where", ["before_model", "after_model"])
async def test_middleware_may_stop_the_turn_with_a_reason(world: World, where: str) -> None:
    async def stop(self: Middleware, *_: object) -> None:
        raise TurnStopped("enough", "That is enough.")

    middleware = type("Stopper", (Middleware,), {where: stop})()
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("hi")]), middleware=(middleware,)))
    await say(conversation)
    await rest(conversation)
    assert ends(await world.events()) == [("failed", "enough")]
    assert spoken(await world.events()) == ([("hi", "completed")] if where == "after_model" else [])


async def test_the_stream_can_be_transformed_for_watchers_and_log_alike(world: World) -> None:
    class Loud(Middleware):
        async def stream(
            self, request: ModelRequest, call: StreamCall, context: TurnContext
        ) -> AsyncGenerator[ModelEvent, None]:
            async for event in call(request):
                match event:
                    case TextChunk(text):
                        yield TextChunk(text.upper())
                    case Completed():
                        content = [{**block, "text": block["text"].upper()} for block in event.content]
                        yield replace(event, content=content)

    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("hi there")]), middleware=(Loud(),)))
    await say(conversation)
    await rest(conversation)
    assert spoken(await world.events()) == [("HI THERE", "completed")]


def test_two_middlewares_with_one_name_are_refused() -> None:
    with pytest.raises(AgentDefinitionError, match="two of its middlewares are called A"):
        Agent(name="a", model=ScriptedModel(assistant_script), middleware=(Named("A", []), Named("A", [])))


def test_two_tools_with_one_name_are_refused() -> None:
    with pytest.raises(AgentDefinitionError, match="two of its tools are called work"):
        Agent(name="a", model=ScriptedModel(assistant_script), tools=(work, work))

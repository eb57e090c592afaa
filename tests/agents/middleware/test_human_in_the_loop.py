"""HumanInTheLoop: the tools it names wait for people; it only adds to what tools require, and keeps their order."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from agents.agent import Agent
from agents.errors import AgentDefinitionError, Refused
from agents.middleware.human_in_the_loop import HumanInTheLoop
from agents.middleware.pipeline.exchange import Reply
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call
from agents.tools import Tool, provider_tool, tool
from agents.turn.events import Suspension, ToolCall
from agents.turn.inputs import Resolve
from tests.support.conversation_workbench import worker
from tests.support.conversations import World, ends, rest, results, say


class RecordedTools:
    """Tools that record their runs."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def tool(self, name: str, **options: Any) -> Tool:
        async def act(what: str = "") -> str:
            """Act."""
            self.done.append(f"{name} {what}".strip())
            return f"{name} {what}".strip()

        return tool(name=name, **options)(act)


def guarded_agent(*tools: Tool, calls: Sequence[Call], **interrupt_on: Any) -> Agent:
    return worker(*tools, calls=calls, middleware=(HumanInTheLoop(interrupt_on),))


async def suspensions(world: World) -> dict[str, Sequence[str]]:
    """The names of the calls that wait, with the decisions that are allowed."""
    events = await world.events()
    names = {event.tool_call_id: event.name for event in events if isinstance(event, ToolCall)}
    return {names[event.tool_call_id]: event.decisions for event in events if isinstance(event, Suspension)}


async def test_named_tools_wait_and_other_tools_run(world: World) -> None:
    recorded = RecordedTools()
    tools = [recorded.tool(name) for name in ("read", "write", "send")]
    agent = guarded_agent(*tools, calls=[Call(name) for name in ("read", "write", "send")], write=True, send=False)
    conversation = await world.start(agent)
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    assert sorted(recorded.done) == ["read", "send"]
    assert list(await suspensions(world)) == ["write"]
    [call] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=call, decision="approve", principal="bob"))
    assert await rest(conversation) == "idle"
    assert recorded.done[-1] == "write"


@pytest.mark.parametrize(
    ("wanted", "own", "allowed"),
    [
        (True, {}, ["approve", "edit", "reject", "respond"]),
        (True, {"approval": "required", "decisions": ["approve", "reject"]}, ["approve", "reject"]),
        (["approve", "reject"], {}, ["approve", "reject"]),
        (["reject", "edit"], {"approval": "required", "decisions": ["approve", "reject"]}, ["reject"]),
        (False, {"approval": "required", "decisions": ["approve"]}, ["approve"]),
        (["approve"], {"trust": "user_configurable"}, ["approve"]),
    ],
)
async def test_a_decision_must_be_allowed_by_tool_and_middleware(
    world: World, wanted: Any, own: Any, allowed: list[str]
) -> None:
    recorded = RecordedTools()
    conversation = await world.start(guarded_agent(recorded.tool("send", **own), calls=[Call("send")], send=wanted))
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    assert await suspensions(world) == {"send": allowed}
    [call] = conversation.inspect().pending
    forbidden = next((decision for decision in ("edit", "respond", "approve") if decision not in allowed), None)
    if forbidden is not None:
        with pytest.raises(Refused) as refused:
            await conversation.resolve(Resolve(tool_call_id=call, decision=forbidden, arguments={}, answer="x"))
        assert refused.value.code == "invalid_decision"
    assert recorded.done == []


@pytest.mark.parametrize("approved", [["b"], ["a"], ["c"], ["a", "c"], ["a", "b", "c"]])
async def test_calls_keep_their_order_around_waiting_ones(world: World, approved: list[str]) -> None:
    recorded = RecordedTools()
    tools = [recorded.tool(name) for name in "abc"]
    agent = guarded_agent(*tools, calls=[Call(name) for name in "abc"], **dict.fromkeys(approved, True))
    conversation = await world.start(agent)
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    assert recorded.done == [name for name in "abc" if name not in approved], "the others ran, in their order"
    for call in list(conversation.inspect().pending):
        await conversation.resolve(Resolve(tool_call_id=call, decision="approve"))
    assert await rest(conversation) == "idle"
    calls = [event.name for event in await world.events() if isinstance(event, ToolCall)]
    assert calls == ["a", "b", "c"]
    assert sorted(results(await world.events())) == [("ok", "a"), ("ok", "b"), ("ok", "c")]


class Failing(HumanInTheLoop):
    """Fails where it should require an approval."""

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        raise KeyError("no idea")


async def test_when_it_fails_nothing_runs(world: World) -> None:
    recorded = RecordedTools()
    tools = [recorded.tool("read"), recorded.tool("send")]
    agent = worker(*tools, calls=[Call("read"), Call("send")], middleware=(Failing({"send": True}),))
    conversation = await world.start(agent)
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert recorded.done == []
    assert ends(await world.events()) == [("failed", "middleware_failed")]


class WithoutApproval(Middleware):
    """Requires no approval of any call; it is the inner middleware, so it sees the answer first."""

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        return replace(reply, calls=[replace(call, approval="auto") for call in reply.calls])


async def test_the_outer_middleware_decides_last(world: World) -> None:
    recorded = RecordedTools()
    middleware = (HumanInTheLoop({"send": True}), WithoutApproval())
    conversation = await world.start(worker(recorded.tool("send"), calls=[Call("send")], middleware=middleware))
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    assert recorded.done == []


async def test_a_call_of_the_client_waits_twice(world: World) -> None:
    @tool(executor="client")
    def photograph() -> None:
        """Take a picture."""

    conversation = await world.start(guarded_agent(photograph, calls=[Call("photograph")], photograph=True))
    await say(conversation)
    kinds = []
    for decision, answer in (("approve", None), ("respond", "a picture")):
        assert await rest(conversation) == "awaiting_input"
        [(call, shown)] = conversation.inspect().pending.items()
        kinds.append(shown["kind"])
        await conversation.resolve(Resolve(tool_call_id=call, decision=decision, answer=answer))  # type: ignore[arg-type]
    assert await rest(conversation) == "idle"
    assert kinds == ["approval", "client_exec"]
    assert results(await world.events()) == [("ok", "a picture")]


async def test_names_of_mcp_tools_are_not_checked(world: World) -> None:
    recorded = RecordedTools()
    agent = guarded_agent(
        recorded.tool("files__delete"), calls=[Call("files__delete")], files__delete=True, files__later=True
    )
    conversation = await world.start(agent)
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    assert recorded.done == []


@tool(executor="human")
def ask(question: str) -> None:
    """Ask."""


@pytest.mark.parametrize(
    ("interrupt_on", "problem"),
    [
        ({"sned": True}, "cannot gate sned: there is no such tool"),
        ({"send": ["aprove"]}, "cannot gate send: 'aprove' is none of approve, edit, reject, respond"),
        ({"send": []}, "cannot gate send: at least one decision must be allowed"),
        ({"send": ["respond"]}, "cannot gate send: the tool itself allows only approve, reject"),
        ({"ask": True}, "cannot gate ask: approval is legal for server and client only, not for human"),
        ({"web_search": True}, "cannot gate web_search: approval is legal for server and client only"),
    ],
)
def test_an_approval_that_could_not_work_is_refused(interrupt_on: Any, problem: str) -> None:
    tools = (
        RecordedTools().tool("send", approval="required", decisions=["approve", "reject"]),
        ask,
        provider_tool("web_search_20250305", "web_search"),
    )
    with pytest.raises(AgentDefinitionError) as refused:
        worker(*tools, middleware=(HumanInTheLoop(interrupt_on),))
    assert problem in refused.value.problem

"""An agent that lists an MCP server: the model sees its tools, and calls are gated, logged and survive crashes."""

import os
import signal
from collections.abc import Sequence
from typing import Any

import psutil
import pytest

from agents.agent import Agent
from agents.errors import Refused
from agents.mcp.pool import McpPool
from agents.mcp.server import McpServer
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.turn.events import ToolCall, ToolResult
from agents.turn.inputs import Resolve
from tests.support.conversations import World, ends, results, say, watching
from tests.support.mcp_workbench import BROKE, over_stdio, rested, until


class Script:
    """Calls the tools in order, one in each answer; `requests` keeps what the model was sent."""

    def __init__(self, *calls: Call) -> None:
        self.calls = calls
        self.requests: list[ModelRequest] = []

    def __call__(self, request: ModelRequest) -> Step:
        self.requests.append(request)
        said = sum(message["role"] == "assistant" for message in request.messages)
        return Step(calls=[self.calls[said]]) if said < len(self.calls) else Step(text="so")


def agent(script: Script, *servers: McpServer, name: str = "a") -> Agent:
    return Agent(name=name, model=ScriptedModel(script), mcp=servers)


def told(request: ModelRequest) -> list[str]:
    """What the model was told beside the conversation."""
    return [block["text"] for block in request.messages[-1]["content"][-request.injected :] if request.injected]


async def pid_of(world: World, servers: Sequence[McpServer]) -> int:
    tool = await world.mcp.find(servers, "t__pid")
    assert tool is not None
    [child] = [child for child in psutil.Process().children() if "stdio" in child.cmdline()]
    return child.pid


async def test_the_model_sees_and_calls_the_tools(world: World) -> None:
    script = Script(Call("t__add", {"a": 1, "b": 2}), Call("t__picture"), Call("t__fail", {"reason": "x"}))
    conversation = await world.start(agent(script, over_stdio()))
    await say(conversation)
    assert await rested(conversation) == "idle"
    added, drawn, failed = [event for event in await world.events() if isinstance(event, ToolResult)]
    assert (added.status, added.content) == ("ok", "3")
    assert drawn.content[0]["type"] == "image"  # type: ignore[index]
    assert failed.status == "error"
    offered = {tool["name"]: tool for tool in script.requests[0].tools}
    assert offered["t__add"]["input_schema"]["required"] == ["a", "b"]
    call = next(event for event in await world.events() if isinstance(event, ToolCall))
    assert (call.name, call.approval, call.on_unknown_outcome) == ("t__add", "auto", "report")


@pytest.mark.parametrize(
    ("fields", "choice", "gated"),
    [
        ({"trust": "auto"}, None, False),
        ({"trust": "requires_approval"}, "auto", True),
        ({"trust": "user_configurable"}, None, True),
        ({"trust": "user_configurable"}, "auto", False),
    ],
)
async def test_calls_are_gated_by_the_trust_in_the_server(
    world: World, fields: dict[str, Any], choice: str | None, gated: bool
) -> None:
    await world.store.preferences.set("ada", "approval:t__echo", choice)
    conversation = await world.start(agent(Script(Call("t__echo", {"text": "hi"})), over_stdio(**fields)))
    await say(conversation)
    assert await rested(conversation) == ("awaiting_input" if gated else "idle")
    if gated:
        [call] = [event for event in await world.events() if isinstance(event, ToolCall)]
        assert results(await world.events()) == []
        await conversation.resolve(Resolve(tool_call_id=call.tool_call_id, decision="approve", principal="ada"))
        assert await rested(conversation) == "idle"
    assert results(await world.events()) == [("ok", "hi")]


async def test_the_server_is_killed_in_mid_call(world: World) -> None:
    server = over_stdio()
    conversation = await world.start(agent(Script(Call("t__hang", {"label": "x"}), Call("t__heard")), server))
    await world.mcp.tools([over_stdio()])  # it takes its time to start
    async with watching(world.store) as watcher:
        await say(conversation)
        progress = await watcher.until("tool_progress")
    assert progress[-1]["progress"] == {"progress": 1, "total": 3, "message": "began x"}
    os.kill(await pid_of(world, [server]), signal.SIGKILL)
    assert await rested(conversation) == "idle"
    assert results(await world.events()) == [("error", BROKE), ("ok", "that is all")]


async def test_cancelling_the_turn_stops_the_call(world: World) -> None:
    script = Script(Call("t__hang", {"label": "x"}), Call("t__heard"))
    conversation = await world.start(agent(script, over_stdio()))
    await world.mcp.tools([over_stdio()])  # it takes its time to start
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("tool_progress")
    await conversation.cancel("ada")
    assert await rested(conversation) == "idle"
    assert ends(await world.events()) == [("cancelled", "user_cancelled")]
    await say(conversation)
    assert await rested(conversation) == "idle"
    assert "stopped x" in results(await world.events())[-1][1]


async def test_after_a_crash_the_outcome_is_unknown(world: World) -> None:
    script = Script(Call("t__hang", {"label": "x"}))
    a = agent(script, over_stdio())
    conversation = await world.start(a)
    await world.mcp.tools([over_stdio()])  # it takes its time to start
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("tool_progress")
    await world.crash(conversation)
    assert await rested(await world.open(a)) == "idle"
    [(status, _)] = results(await world.events())
    assert status == "unknown"


async def test_a_call_that_was_approved_while_its_server_was_never_reached(world: World) -> None:
    """Another process asked for the approval; this one has never reached the server."""
    server = over_stdio(trust="requires_approval")
    a = agent(Script(Call("t__echo", {"text": "hi"})), server)
    conversation = await world.start(a)
    await say(conversation)
    await rested(conversation)
    await world.crash(conversation)
    await world.mcp.aclose()
    world.mcp = McpPool()
    revived = await world.open(a)
    [call] = [event for event in await world.events() if isinstance(event, ToolCall)]
    await revived.resolve(Resolve(tool_call_id=call.tool_call_id, decision="approve", principal="ada"))
    assert await rested(revived) == "idle"
    assert results(await world.events()) == [("ok", "hi")]


async def test_two_conversations_share_a_server(world: World) -> None:
    for name in ("c", "d"):
        conversation = await world.start(agent(Script(Call("t__pid")), over_stdio(), name=name), name)
        await say(conversation)
        await rested(conversation)
    assert results(await world.events("c")) == results(await world.events("d"))


async def test_a_server_that_is_away_does_not_keep_the_model_from_answering(world: World) -> None:
    script = Script(Call("ghost__walk"))
    ghost = McpServer(name="ghost", command=["/no/such/program"], trust="auto")
    conversation = await world.start(agent(script, ghost))
    await say(conversation)
    assert await rested(conversation) == "idle"
    assert script.requests[0].tools == []
    assert ends(await world.events()) == [("completed", None)]
    away = "The MCP server ghost cannot be reached: FileNotFoundError: [Errno 2] No such file or directory"
    [(status, content)] = results(await world.events())
    assert (status, content[: len(away)]) == ("error", away)
    assert told(script.requests[0]) == [content], "the model hears it before it calls"


async def test_the_model_hears_which_tools_are_missing_while_their_server_is_away(world: World) -> None:
    async def recall(server: str) -> Sequence[str]:
        return [f"{server}__walk", f"{server}__fly"]

    world.mcp = McpPool(recall=recall)
    script = Script()
    conversation = await world.start(agent(script, McpServer(name="ghost", command=["/no/such/program"]), over_stdio()))
    await say(conversation)
    assert await rested(conversation) == "idle"
    [sentence] = told(script.requests[0])
    assert sentence.endswith("These tools of it are missing: ghost__walk, ghost__fly."), sentence
    assert "t__add" in [tool["name"] for tool in script.requests[0].tools], "the other server's are there"


async def test_a_name_that_a_server_does_not_have_is_no_tool_while_it_is_reached(world: World) -> None:
    conversation = await world.start(agent(Script(Call("t__walk")), over_stdio()))
    await say(conversation)
    assert await rested(conversation) == "idle"
    [(status, content)] = results(await world.events())
    assert (status, content[:36]) == ("error", "There is no tool named t__walk. Tool")


async def test_a_tool_that_the_server_learns_is_offered_to_the_next_turn(world: World) -> None:
    server = over_stdio()
    script = Script(Call("t__learn", {"name": "sing"}))
    conversation = await world.start(agent(script, server))
    await say(conversation)
    assert await rested(conversation) == "idle"

    async def known() -> bool:
        return "t__sing" in [tool.name for tool in await world.mcp.tools([server])]

    await until(known)
    await say(conversation)
    await rested(conversation)
    assert "t__sing" in [tool["name"] for tool in script.requests[-1].tools]


async def test_the_definition_says_who_decides(world: World) -> None:
    conversation = await world.start(
        agent(Script(Call("t__echo", {"text": "hi"})), over_stdio(trust="requires_approval", approvers="another"))
    )
    await say(conversation)
    await rested(conversation)
    [(tool_call_id, shown)] = conversation.inspect().pending.items()
    assert (shown["approvers"], shown["asked_by"]) == (["another"], ["ada"])
    with pytest.raises(Refused, match="another person"):
        await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision="approve", principal="ada"))
    await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision="approve", principal="bob"))
    assert await rested(conversation) == "idle"
    assert results(await world.events()) == [("ok", "hi")]

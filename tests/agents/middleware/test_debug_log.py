"""DebugLog: a line for each callback, with sizes and durations, and with contents only on request."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from agents.agent import Agent
from agents.errors import ModelError
from agents.middleware.debug_log import DebugLog
from agents.models import Call, ScriptedModel, Step
from agents.tools import tool
from tests.support.conversations import World, rest, say

SECRETS = ("question-x", "answer-x", "thought-x", "argument-x", "result-x", "prompt-x")


@tool
async def work(what: str) -> str:
    """Work."""
    return f"result-x of {what}"


def worker(middleware: DebugLog) -> Agent:
    steps = [
        Step(text="answer-x", thinking="thought-x", calls=[Call("work", {"what": "argument-x"})]),
        Step(text="that is all"),
    ]
    model = ScriptedModel(steps)
    return Agent(name="a", model=model, tools=[work], system_prompt="prompt-x", middleware=[middleware])


async def lines(world: World, agent: Agent) -> list[dict[str, Any]]:
    with capture_logs() as logs:
        conversation = await world.start(agent)
        await say(conversation, "question-x")
        await rest(conversation)
    return [dict(line) for line in logs if line["event"].startswith("debug_")]


async def test_a_turn_has_a_line_for_each_callback(world: World) -> None:
    logged = await lines(world, worker(DebugLog()))
    assert [line["event"] for line in logged if line["event"] != "debug_started"] == [
        "debug_message",
        "debug_request",
        "debug_stream",
        "debug_reply",
        "debug_tool",
        "debug_request",
        "debug_stream",
        "debug_reply",
    ]
    assert {line["conversation_id"] for line in logged} == {"c"}
    assert {line["agent"] for line in logged} == {"a"}
    assert [(line["turn"], line["step"]) for line in logged if line["event"] == "debug_request"] == [(1, 1), (1, 2)]
    assert not [secret for secret in SECRETS if secret in repr(logged)]


async def test_sizes_and_durations(world: World) -> None:
    logged = {line["event"]: line for line in reversed(await lines(world, worker(DebugLog())))}
    message, request = logged["debug_message"], logged["debug_request"]
    assert (message["blocks"], message["on_busy"], message["origin"]) == (1, "reject", "user")
    assert (request["messages"], request["tools"], request["system"], request["injected"]) == (1, 1, 1, 0)
    assert request["messages_size"] > len("question-x")
    stream, reply, ran = logged["debug_stream"], logged["debug_reply"], logged["debug_tool"]
    assert (stream["outcome"], stream["text"], stream["thinking"]) == ("completed", len("answer-x"), len("thought-x"))
    assert stream["deltas"] == 2
    assert 0 <= stream["first"] <= stream["duration"]
    assert (reply["calls"], reply["blocks"], reply["stop_reason"]) == (["work"], 3, "tool_use")
    assert (ran["tool"], ran["outcome"], ran["result_size"]) == ("work", "ok", len('"result-x of argument-x"'))
    assert ran["duration"] >= 0


async def test_contents_are_logged_on_request(world: World) -> None:
    logged = await lines(world, worker(DebugLog(contents=True)))
    assert [secret for secret in SECRETS if secret not in repr(logged)] == []


@pytest.mark.parametrize("reason", ["overloaded"])
async def test_a_failed_stream(world: World, reason: str) -> None:
    model = ScriptedModel([Step(text="so", failure=ModelError(reason, "It is."), fails="after")])
    logged = await lines(world, Agent(name="a", model=model, middleware=[DebugLog()]))
    [stream] = [line for line in logged if line["event"] == "debug_stream"]
    assert (stream["outcome"], stream["deltas"]) == ("ModelError", 1)

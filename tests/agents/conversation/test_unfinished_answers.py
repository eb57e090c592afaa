"""Answers that the model did not finish: none of their calls runs, the model reads why, and they are paid for twice."""

from typing import Any

import pytest

from agents.agent import Agent
from agents.middleware.human_in_the_loop import HumanInTheLoop
from agents.models import Call, ScriptedModel, Step
from agents.tools import tool
from agents.turn import Limits
from agents.turn.events import AssistantMsg, ToolResult
from tests.messages_api import MessagesServer, Reply, ToolUse
from tests.support.conversation_workbench import Talker
from tests.support.conversations import World, ends, rest, say

UNFINISHED = ("max_tokens", "refusal", "model_context_window_exceeded")
CUT_OFF = ToolUse("purge", raw="")
"""A call whose arguments had not begun when the answer ended."""

purged: list[int] = []


@tool
def purge(older_than_days: int = 0) -> str:
    """Delete what is older."""
    purged.append(older_than_days)
    return "purged"


@pytest.fixture(autouse=True)
def _nothing_purged() -> None:
    purged.clear()


async def results(world: World) -> list[ToolResult]:
    return [event for event in await world.events() if isinstance(event, ToolResult)]


async def answers(world: World) -> list[AssistantMsg]:
    return [event for event in await world.events() if isinstance(event, AssistantMsg)]


@pytest.mark.parametrize("stop_reason", UNFINISHED)
async def test_no_call_of_an_unfinished_answer_runs(
    stop_reason: str, world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(Reply("Let me see.", calls=[CUT_OFF], stop_reason=stop_reason), Reply("I did not."))
    conversation = await world.start(talker(purge))
    await say(conversation)
    await rest(conversation)
    [result] = await results(world)
    assert purged == []
    assert result.status == "error"
    assert str(result.content).startswith("Not run: ")
    assert stop_reason in str(result.content)


async def test_the_model_reads_why_and_may_try_once_more(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(
        Reply(calls=[CUT_OFF], stop_reason="max_tokens"),
        Reply(calls=[ToolUse("purge", {"older_than_days": 90})]),
        Reply(calls=[CUT_OFF], stop_reason="max_tokens"),
        Reply("Purged."),
    )
    conversation = await world.start(talker(purge))
    await say(conversation)
    await rest(conversation)
    assert purged == [90]
    assert ends(await world.events()) == [("completed", None)], "two in a row end a turn, not two in all"
    read = messages_api.requests[1].body["messages"][-1]["content"][0]
    assert (read["type"], read["is_error"]) == ("tool_result", True)
    assert "max_tokens" in read["content"]


async def test_a_call_that_never_fits_is_paid_for_twice(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.responder = lambda _: Reply("So:", calls=[CUT_OFF], stop_reason="max_tokens")
    conversation = await world.start(talker(purge))
    await say(conversation)
    await rest(conversation)
    assert ends(await world.events()) == [("failed", "answer_too_long")]
    assert len(messages_api.requests) == 2
    assert [result.status for result in await results(world)] == ["error", "error"]


async def test_an_answer_that_never_reaches_the_required_tool_is_paid_for_twice(world: World) -> None:
    model = ScriptedModel(lambda _: Step("Well, ", stop_reason="max_tokens"))
    agent = Agent(name="a", model=model, tools=(purge,), until_tool="purge", limits=Limits(model_calls=50))
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    assert ends(await world.events()) == [("failed", "answer_too_long")]
    assert len(await answers(world)) == 2


async def test_a_refusal_with_a_call_ends_the_turn(world: World, messages_api: MessagesServer, talker: Talker) -> None:
    messages_api.enqueue(Reply("No.", calls=[CUT_OFF], stop_reason="refusal"), Reply("Something else, then."))
    conversation = await world.start(talker(purge))
    for words in ("Purge.", "Something else."):
        await say(conversation, words)
        await rest(conversation)
    assert ends(await world.events()) == [("failed", "refusal"), ("completed", None)]
    assert "refusal" in messages_api.requests[1].body["messages"][2]["content"][0]["content"]


@pytest.mark.parametrize("reply", [{"text": "half an answ"}, {}, {"calls": [CUT_OFF]}], ids=["text", "blank", "a call"])
async def test_a_full_context_window_is_a_failure(
    reply: dict[str, Any], world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.responder = lambda _: Reply(**reply, stop_reason="model_context_window_exceeded")
    conversation = await world.start(talker(purge))
    await say(conversation)
    await rest(conversation)
    assert ends(await world.events()) == [("failed", "context_window_exceeded")]
    assert len(messages_api.requests) == 1


async def test_people_are_not_asked_about_a_call_that_was_cut_off(world: World) -> None:
    steps = [Step(calls=[Call("purge")], stop_reason="max_tokens"), Step("I did not.")]
    agent = Agent(name="a", model=ScriptedModel(steps), tools=(purge,), middleware=(HumanInTheLoop({"purge": True}),))
    conversation = await world.start(agent)
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert [result.status for result in await results(world)] == ["error"]
    assert ends(await world.events()) == [("completed", None)]


@pytest.mark.parametrize("reply", [Reply(), Reply(" "), Reply(thinking="Done.")], ids=["empty", "blank", "thinking"])
async def test_an_empty_answer_after_a_call_that_succeeded_is_the_end(
    reply: Reply, world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(Reply(calls=[ToolUse("purge", {"older_than_days": 9})]), reply, Reply("You are welcome."))
    conversation = await world.start(talker(purge))
    for words in ("Purge.", "Thanks."):
        await say(conversation, words)
        await rest(conversation)
    assert ends(await world.events()) == [("completed", None)] * 2
    assert len(messages_api.requests) == 3
    assert messages_api.rejections == []


async def test_an_empty_answer_after_a_call_that_failed_is_asked_for_again(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(Reply(calls=[ToolUse("purge", {"older_than_days": "x"})]), Reply(), Reply("It failed."))
    conversation = await world.start(talker(purge))
    await say(conversation, "Purge.")
    await rest(conversation)
    assert ends(await world.events()) == [("completed", None)]
    assert len(messages_api.requests) == 3

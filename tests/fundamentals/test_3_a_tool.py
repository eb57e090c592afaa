"""Lesson 3: the model asks for a tool, the conversation runs it, the model reads the result and goes on."""

from agents.examples import assistant
from agents.examples.offline.assistant import assistant_script
from agents.models import ScriptedModel
from agents.turn.events import AssistantMsg, ToolCall, ToolResult, TurnEnded, UserMsg
from tests.support.conversations import World, rest, spoken


async def test_the_assistant_calculates(world: World) -> None:
    conversation = await world.start(assistant(ScriptedModel(assistant_script)))

    answer = await conversation.ask("what is (17 + 4) * 2?")
    assert answer.text == "`(17 + 4) * 2` is **42**."
    assert await rest(conversation) == "idle"

    # One turn, two messages of the model: the first asks for the tool, the second knows its result. (A title follows.)
    events = conversation.history.events[:6]
    assert [type(event) for event in events] == [
        UserMsg,
        AssistantMsg,
        ToolCall,
        ToolResult,
        AssistantMsg,
        TurnEnded,
    ]

    # The call stands in the log before it is executed, and gets exactly one result, under the same id.
    call, result = events[2], events[3]
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert (call.name, call.arguments) == ("calculator", {"expression": "(17 + 4) * 2"})
    assert (result.tool_call_id, result.status, result.content) == (call.tool_call_id, "ok", "42")

    (_, (said, _)) = spoken(events)
    assert said == "`(17 + 4) * 2` is **42**."


async def test_two_tools_at_once(world: World) -> None:
    conversation = await world.start(assistant(ScriptedModel(assistant_script)))

    await conversation.ask("what time is it in Berlin, and what is 6 * 7?")

    calls = [event.name for event in conversation.history.events if isinstance(event, ToolCall)]
    assert calls == ["clock", "calculator"]
    assert all(event.status == "ok" for event in conversation.history.events if isinstance(event, ToolResult))

"""The reducers: the exact shape of a reduced request, and that it stays reduced."""

from typing import Any

import orjson

from agents.errors import ToolError
from agents.middleware.compaction.reducers import OMISSION, STUB
from agents.models import ModelRequest
from agents.tools import tool
from agents.turn.events import StatePatch
from agents.turn.inputs import Resolve
from tests.messages_api.rules import check_request
from tests.support.compaction import LookingModel, agent_of, looking_tool, say_each, shape
from tests.support.conversations import World, rest, say


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def accepted(request: ModelRequest) -> bool:
    """Whether the provider would accept it; fails if not."""
    check_request({"model": "m", "max_tokens": 1, "messages": orjson.loads(orjson.dumps(list(request.messages)))})
    return True


def is_prefix(earlier: ModelRequest, later: ModelRequest) -> bool:
    """Whether a provider that has cached the earlier messages finds them again."""
    return list(later.messages[: len(earlier.messages)]) == list(earlier.messages)


async def test_a_small_context_is_sent_as_it_is(world: World) -> None:
    model = LookingModel()
    conversation = await world.start(agent_of(model, stub=100_000, window=100_000, summary=100_000))

    await say_each(conversation, "look 3", "thanks")

    assert shape(model.last.messages) == [
        "user: look 3",
        "assistant: call 0.0",
        "user: result 0.0",
        "assistant: call 1.0",
        "user: result 1.0",
        "assistant: call 2.0",
        "user: result 2.0",
        "assistant: looked 3 times",
        "user: thanks",
    ]
    assert not any(isinstance(event, StatePatch) for event in await world.events())
    assert model.summary_prompts == []


async def test_old_results_become_stubs_in_place(world: World) -> None:
    model = LookingModel()
    conversation = await world.start(agent_of(model, stub=700, keep_steps=1))

    await say_each(conversation, "look 3")

    calls = [f"toolu_scripted_{number}_0" for number in range(3)]
    results: list[Any] = [STUB, STUB, "2.0 ".ljust(1000, "x")]
    expected: list[Any] = [{"role": "user", "content": [text("look 3")]}]
    for number, (call, result) in enumerate(zip(calls, results, strict=True)):
        arguments = {"step": number, "number": 0}
        use = {"type": "tool_use", "id": call, "name": "look", "input": arguments}
        expected.append({"role": "assistant", "content": [use]})
        given = {"type": "tool_result", "tool_use_id": call, "content": result}
        expected.append({"role": "user", "content": [given]})
    assert model.last.messages == expected
    assert model.last.system == "Be brief."


async def test_stubs_stay_and_the_messages_before_them_do_not_change(world: World) -> None:
    model = LookingModel()
    conversation = await world.start(agent_of(model, stub=3000, keep_steps=2))

    await say_each(conversation, "look 40")

    moves = [n for n, (a, b) in enumerate(zip(model.requests, model.requests[1:], strict=False)) if not is_prefix(a, b)]
    assert 2 <= len(moves) <= 8, "the prefix changes rarely, and in chunks"
    stubs = [str(request.messages).count(STUB) for request in model.requests]
    assert stubs == sorted(stubs)
    assert stubs[-1] > 25
    assert max(len(orjson.dumps(list(request.messages))) for request in model.requests) < 4 * 3000 * 1.5


async def test_a_new_incarnation_sends_the_same_stubs(world: World) -> None:
    model = LookingModel()
    agent = agent_of(model, stub=1500, keep_steps=1)
    conversation = await world.start(agent)
    await say_each(conversation, "look 6")
    before = model.last
    assert "user: stub" in shape(before.messages)

    await world.crash(conversation)
    reopened = await world.open(agent)
    await say_each(reopened, "go on")

    assert is_prefix(before, model.last)


async def test_parallel_results_are_stubbed_together_and_the_last_ones_never(world: World) -> None:
    model = LookingModel()
    conversation = await world.start(agent_of(model, stub=1000, keep_steps=1))

    await say_each(conversation, "look 2x3")

    assert shape(model.last.messages) == [
        "user: look 2x3",
        "assistant: call 0.0, call 0.1, call 0.2",
        "user: stub, stub, stub",
        "assistant: call 1.0, call 1.1, call 1.2",
        "user: result 1.0, result 1.1, result 1.2",
    ]


async def test_short_results_stay_and_errors_stay_errors(world: World) -> None:
    @tool()
    def look(step: int, number: int) -> str:
        """Look."""
        if step == 0:
            raise ToolError("0.0 failed " + "x" * 4000)
        return "1.0 short" if step == 1 else f"{step}.0 ".ljust(4000, "x")

    model = LookingModel()
    conversation = await world.start(agent_of(model, look, stub=2000, keep_steps=1))

    await say_each(conversation, "look 4")

    given = [block for m in model.last.messages for block in m["content"] if block["type"] == "tool_result"]
    assert [block["content"][:9] for block in given] == [STUB[:9], "1.0 short", STUB[:9], "3.0 xxxxx"]
    assert [block.get("is_error", False) for block in given] == [True, False, False, False]


async def test_answers_of_people_are_never_left_out(world: World) -> None:
    @tool(executor="human")
    def look(step: int, number: int) -> str:
        """Ask somebody to look."""
        raise AssertionError("people execute this")

    model = LookingModel()
    conversation = await world.start(agent_of(model, look, stub=500, keep_steps=1))
    await say(conversation, "look 3")
    for step in range(3):
        assert await rest(conversation) == "awaiting_input"
        [waiting] = conversation.inspect().pending
        await conversation.resolve(
            Resolve(tool_call_id=waiting, decision="respond", answer=f"{step}.0 {'x' * 1000}", principal="ada")
        )
    assert await rest(conversation) == "idle"

    assert [line for line in shape(model.last.messages) if line.startswith("user: result")] == [
        "user: result 0.0",
        "user: result 1.0",
        "user: result 2.0",
    ]


async def test_the_oldest_whole_turns_are_left_out(world: World) -> None:
    model = LookingModel()
    conversation = await world.start(agent_of(model, looking_tool(400), window=500))

    await say_each(conversation, "look 2", "look 1x2", "hello", "look 1", "and now?")

    assert model.last.messages[0] == {"role": "user", "content": [text(OMISSION), text("hello")]}
    assert shape(model.last.messages) == [
        "user: (omission), hello",
        "assistant: you said hello",
        "user: look 1",
        "assistant: call 0.0",
        "user: result 0.0",
        "assistant: looked 1 times",
        "user: and now?",
    ]
    assert all(accepted(request) for request in model.requests)


async def test_the_current_turn_is_never_left_out(world: World) -> None:
    model = LookingModel()
    conversation = await world.start(agent_of(model, window=500))

    await say_each(conversation, "hello", "look 4")

    assert shape(model.last.messages)[0] == "user: (omission), look 4"
    assert len(model.last.messages) == 9
    assert all(accepted(request) for request in model.requests)


async def test_the_window_moves_rarely(world: World) -> None:
    model = LookingModel()
    conversation = await world.start(agent_of(model, window=1000))

    await say_each(conversation, *(f"{number} {'x' * 200}" for number in range(60)))

    moves = [n for n, (a, b) in enumerate(zip(model.requests, model.requests[1:], strict=False)) if not is_prefix(a, b)]
    assert 3 <= len(moves) <= 20
    assert max(len(request.messages) for request in model.requests) < 25
    assert all(accepted(request) for request in model.requests)


async def test_a_message_left_out_is_separated_from_the_next_one(world: World) -> None:
    """The message of a turn that was cancelled before its answer is merged with the message of the next turn."""
    model = LookingModel()
    agent = agent_of(model, window=150)
    conversation = await world.start(agent)
    await say_each(conversation, "old " + "x" * 700)
    await say(conversation, "look 1 " + "y" * 700)
    await conversation.cancel("ada")
    await rest(conversation)

    await say_each(conversation, "new")

    assert shape(model.last.messages) == ["user: (omission), new"]


async def test_stubs_come_before_the_window(world: World) -> None:
    model = LookingModel()
    conversation = await world.start(agent_of(model, stub=1200, window=1300, keep_steps=1))

    await say_each(conversation, "first", "look 8", "last")

    lines = shape(model.last.messages)
    assert lines[:3] == ["user: first", "assistant: you said first", "user: look 8"]
    assert "user: stub" in lines


async def test_images_in_old_results_are_left_out_too(world: World) -> None:
    @tool()
    def look(step: int, number: int) -> list[dict[str, Any]]:
        """Look."""
        source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
        return [{"type": "image", "source": source}]

    model = LookingModel()
    conversation = await world.start(agent_of(model, look, stub=1600, keep_steps=1))

    await say_each(conversation, "look 3")

    given = [block for m in model.last.messages for block in m["content"] if block["type"] == "tool_result"]
    assert [block["content"] == STUB for block in given] == [True, True, False]

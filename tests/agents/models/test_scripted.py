"""ScriptedModel: plays explicit steps, the same for the same request, and can fail, hang and be closed."""

import asyncio
import time
from contextlib import aclosing

import pytest

from agents.errors import ModelError
from agents.models import Call, Completed, Json, ScriptedModel, Step, TextChunk, ThinkingChunk, ToolUseStarted
from tests.support.loop_turns import counted_turns
from tests.support.model_requests import HELLO, completed, read, read_until_failure, request, text_of


def after(*answers: str) -> list[Json]:
    """A history with these answers of the assistant, and one more message of the user."""
    pairs = [[*HELLO, {"role": "assistant", "content": answer}] for answer in answers]
    return [*(message for pair in pairs for message in pair), *HELLO]


async def test_a_step_with_everything() -> None:
    step = Step("Two words", [Call("clock", {"timezone": "UTC"})], thinking="Hm.")
    events = await read(ScriptedModel([step]), request())
    assert events[:-1] == [
        ThinkingChunk("Hm."),
        TextChunk("Two"),
        TextChunk(" words"),
        ToolUseStarted("toolu_scripted_0_0", "clock"),
    ]
    assert completed(events).content == [
        {"type": "thinking", "thinking": "Hm.", "signature": "scripted"},
        {"type": "text", "text": "Two words"},
        {"type": "tool_use", "id": "toolu_scripted_0_0", "name": "clock", "input": {"timezone": "UTC"}},
    ]
    assert completed(events).stop_reason == "tool_use"


@pytest.mark.parametrize("text", ["", "one", " lead", "trail \n", "a\n\nb  c", "\n"])
async def test_the_words_add_up_to_the_text(text: str) -> None:
    assert text_of(await read(ScriptedModel([Step(text)]), request())) == text


async def test_the_history_says_which_step_is_next() -> None:
    model = ScriptedModel([Step("first"), Step("second")])
    assert text_of(await read(model, request())) == "first"
    assert text_of(await read(model, request(after("first")))) == "second"
    assert text_of(await read(model, request())) == "first", "asked again after a crash"


async def test_the_same_request_gets_the_same_answer() -> None:
    steps = [Step("Look.", [Call("clock"), Call("clock")])]
    assert await read(ScriptedModel(steps), request()) == await read(ScriptedModel(steps), request())


async def test_the_script_ends() -> None:
    _, error = await read_until_failure(ScriptedModel([Step("only")]), request(after("only")))
    assert error.reason == "invalid_request"
    assert "1 steps" in error.message


async def test_a_script_may_be_a_function() -> None:
    model = ScriptedModel(lambda asked: Step(f"{len(asked.messages)} messages"), name="counter")
    answer = completed(await read(model, request()))
    assert (answer.content, answer.model) == ([{"type": "text", "text": "1 messages"}], "counter")


async def test_failure_before_the_first_token() -> None:
    failure = ModelError("overloaded", "Too much.", 3.0)
    events, error = await read_until_failure(ScriptedModel([Step("never", failure=failure)]), request())
    assert (events, error.args) == ([], failure.args)


async def test_failure_after_the_last_token() -> None:
    step = Step("seen", failure=ModelError("stream_broken", "Broken."), fails="after")
    events, error = await read_until_failure(ScriptedModel([step]), request())
    assert (events, error.reason) == ([TextChunk("seen")], "stream_broken")


async def test_malformed_arguments() -> None:
    [block] = completed(await read(ScriptedModel([Step(calls=[Call("clock", malformed="{")])]), request())).content
    assert (block["input"], block["malformed"]) == ({}, "{")


async def test_it_hangs_until_it_is_cancelled() -> None:
    stream = ScriptedModel([Step("seen", hangs="after")]).stream(request())
    assert await anext(stream) == TextChunk("seen")
    hanging = asyncio.ensure_future(anext(stream))
    done, _ = await asyncio.wait([hanging], timeout=0.05)
    assert not done
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging


async def test_it_can_be_closed_midway() -> None:
    async with aclosing(ScriptedModel([Step("one two")]).stream(request())) as stream:
        assert await anext(stream) == TextChunk("one")


async def test_the_delay_is_per_word() -> None:
    started = time.monotonic()
    await read(ScriptedModel([Step("a b c")], delay=0.02), request())
    assert time.monotonic() - started >= 0.06


async def test_others_run_between_two_words() -> None:
    async with counted_turns() as turns:
        await read(ScriptedModel([Step("word " * 50)]), request())
    assert turns.count >= 50


async def test_stop_reason_and_usage() -> None:
    answer = completed(await read(ScriptedModel([Step("cut", stop_reason="max_tokens")]), request()))
    assert isinstance(answer, Completed)
    assert answer.stop_reason == "max_tokens"
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0

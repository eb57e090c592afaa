"""How large a context is: the provider's count where there is one, else characters; images have a fixed size."""

from typing import Any

import pytest

from agents.middleware.compaction.estimate import (
    estimate_tokens,
    tokens_at_last_answer,
    tokens_by_turn,
    tokens_to_send,
    tokens_used,
)
from agents.middleware.pipeline.exchange import Request
from agents.turn.events import AssistantMsg, Event, Summary, ToolCall, ToolResult, TurnEnded, UserMsg


def text(words: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": words}]


def user(turn: int, words: str = "hi") -> UserMsg:
    return UserMsg(turn=turn, content=text(words))


def answer(turn: int, tokens: int = 0, *, step: int = 1) -> AssistantMsg:
    usage = {"input_tokens": tokens} if tokens else {}
    return AssistantMsg(turn=turn, message_id="m", step=step, content=text("yes"), usage=usage)


def summary(turn: int) -> Summary:
    return Summary(turn=turn, text="s", through_turn=1, after=1, base={})


def end(turn: int) -> TurnEnded:
    return TurnEnded(turn=turn, outcome="completed")


def image(source: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": source, "data": "A" * 100_000}}


def test_four_characters_are_a_token() -> None:
    assert estimate_tokens("x" * 400) == 100
    assert estimate_tokens(text("x" * 400)) == (400 + len("typetexttext")) // 4
    assert estimate_tokens([]) == 1
    assert estimate_tokens({"n": 5, "list": [True, None]}) > 1


def test_other_scripts_have_more_tokens_for_each_character() -> None:
    assert estimate_tokens("語" * 25_000) == 25_000
    assert 10_000 <= estimate_tokens("ж" * 20_000) <= 20_000
    assert estimate_tokens("\ud800" * 8) > 0, "half of a pair is counted too"


def test_large_images_count_by_their_bytes() -> None:
    large = {"type": "image", "source": {"type": "base64", "data": "A" * 5_000_000}}
    assert estimate_tokens(large) == 5_000_000 // 160
    assert estimate_tokens([large] * 6) > 150_000, "before 32 MB are reached, the window is"


def test_images_and_documents_have_a_fixed_estimate() -> None:
    assert estimate_tokens(image("base64")) == estimate_tokens(image("url")) == 1_600
    assert estimate_tokens([image("base64")] * 3) == 4_800
    assert estimate_tokens({"type": "document", "source": {"type": "base64", "data": "A" * 100_000}}) == 8_000
    assert estimate_tokens({"type": "document", "source": {"type": "text", "data": "x" * 100_000}}) > 25_000
    assert estimate_tokens({"type": "tool_result", "tool_use_id": "c", "content": [image("base64")]}) > 1_600


def test_the_providers_count_covers_the_whole_context() -> None:
    usage = {
        "input_tokens": 1,
        "output_tokens": 20,
        "cache_read_input_tokens": 300,
        "cache_creation_input_tokens": 4000,
        "seconds": 9,
    }
    assert tokens_used(usage) == 4321
    assert tokens_used({}) == 0


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], 0),
        ([user(1)], 0),
        ([user(1), answer(1, 50)], 50),
        ([user(1), answer(1, 50), answer(1, 70, step=2), end(1), user(2)], 70),
        ([user(1), answer(1, 50), end(1), user(2), answer(2)], 0),  # the last one was cut off and not counted
        ([user(1), answer(1, 50), end(1), summary(1), user(2)], 0),  # counted before the summary
        ([user(1), answer(1, 50), end(1), summary(1), user(2), answer(2, 9)], 9),
        ([user(1), summary(1), answer(1, 50)], 0),  # streaming when the summary came
        ([user(1), summary(1), answer(1, 50), answer(1, 9, step=2)], 9),
        ([user(1), summary(1), end(1), user(2), answer(2, 9)], 9),
    ],
)
def test_the_last_count_holds_unless_a_summary_came(events: list[Event], expected: int) -> None:
    assert tokens_at_last_answer(events) == expected


def test_messages_after_the_last_answer_are_added_to_its_count() -> None:
    results = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "x" * 4000}]}
    messages = [{"role": "user", "content": text("x" * 8000)}, {"role": "assistant", "content": text("yes")}, results]
    request = Request(system=["x" * 400], messages=messages, tools=(), max_tokens=1)

    assert tokens_to_send(request, [user(1), answer(1, 5000)]) == 5000 + estimate_tokens([results])
    assert tokens_to_send(request, [user(1)]) == estimate_tokens(["x" * 400, *messages])


def test_turns_are_measured_with_nothing_left_out() -> None:
    events = [
        user(1, "x" * 400),
        answer(1),
        ToolCall(turn=1, tool_call_id="c", step=1, name="t", arguments={"a": "x" * 400}),
        ToolResult(turn=1, tool_call_id="c", content="x" * 4000),
        end(1),
        user(2, "x" * 40),
    ]

    sizes = tokens_by_turn(events)

    assert list(sizes) == [1, 2]
    assert 1200 <= sizes[1] <= 1220
    assert 10 <= sizes[2] <= 15

"""The provider's events become content blocks, each kind in its own way."""

from collections.abc import Iterator
from typing import Any

import pytest

from agents.errors import ModelError
from agents.models import Completed, Json, ModelEvent, TextChunk, ThinkingChunk, TokenUsage, ToolUseStarted
from agents.models.anthropic.accumulate import Accumulator, join_chunks


def block(index: int, start: Json, *deltas: Json) -> list[Json]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def play(*events: Json) -> list[ModelEvent]:
    answer = Accumulator("asked-for")
    news = (answer.apply(event) for event in (*events, {"type": "message_stop"}))
    return [event for event in news if event is not None]


def content(*events: Json) -> list[Json]:
    last = play(*events)[-1]
    assert isinstance(last, Completed)
    return last.content


def json_piece(text: str) -> Json:
    return {"type": "input_json_delta", "partial_json": text}


TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}


def test_text_is_join_chunks() -> None:
    start = {"type": "text", "text": "A"}
    events = play(*block(0, start, {"type": "text_delta", "text": "b"}, {"type": "text_delta", "text": "c"}))
    assert events[:-1] == [TextChunk("A"), TextChunk("b"), TextChunk("c")]
    assert isinstance(events[-1], Completed)
    assert events[-1].content == [{"type": "text", "text": "Abc"}]


def test_thinking_keeps_its_signature() -> None:
    start = {"type": "thinking", "thinking": "", "signature": ""}
    deltas = [{"type": "thinking_delta", "thinking": "hm"}, {"type": "signature_delta", "signature": "sig"}]
    events = play(*block(0, start, *deltas))
    assert events[0] == ThinkingChunk("hm")
    assert content(*block(0, start, *deltas)) == [{"type": "thinking", "thinking": "hm", "signature": "sig"}]


def test_redacted_thinking_is_kept_as_it_came() -> None:
    redacted = {"type": "redacted_thinking", "data": "opaque"}
    assert content(*block(0, redacted)) == [redacted]


def test_arguments_are_parsed_at_the_end() -> None:
    events = play(*block(0, TOOL_USE, json_piece(""), json_piece('{"timezo'), json_piece('ne":"UTC"}')))
    assert events[0] == ToolUseStarted("toolu_1", "clock")
    assert events[1] == Completed([{**TOOL_USE, "input": {"timezone": "UTC"}}], "end_turn", TokenUsage(), "asked-for")


def test_a_call_without_arguments_has_empty_ones() -> None:
    assert content(*block(0, TOOL_USE, json_piece(""))) == [TOOL_USE]


@pytest.mark.parametrize("raw", ['{"timezone": ', "[1]", "null", '"text"', '{"a": NaN}'])
def test_arguments_that_are_no_object_are_marked(raw: str) -> None:
    assert content(*block(0, TOOL_USE, json_piece(raw))) == [{**TOOL_USE, "malformed": raw}]


def test_citations_stay_with_their_text() -> None:
    citations = [{"type": "char_location", "cited_text": text} for text in ("one", "two")]
    deltas = [{"type": "citations_delta", "citation": citation} for citation in citations]
    start = {"type": "text", "text": "", "citations": None}
    [text] = content(*block(0, start, {"type": "text_delta", "text": "See"}, *deltas))
    assert text == {"type": "text", "text": "See", "citations": citations}


def test_the_providers_own_tools_are_kept() -> None:
    call = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"url": "u"}]}
    events = [*block(0, call, json_piece('{"query":"x"}')), *block(1, result)]
    assert content(*events) == [{**call, "input": {"query": "x"}}, result]
    assert len(play(*events)) == 1, "they are not ours to run"


def test_empty_text_is_left_out_but_not_white_space() -> None:
    texts = [*block(0, {"type": "text", "text": ""}), *block(1, {"type": "text", "text": "\n"})]
    assert content(*texts) == [{"type": "text", "text": "\n"}]


def test_usage_counts_are_totals() -> None:
    opening = {"model": "claude-x", "usage": {"input_tokens": 9, "output_tokens": 1, "cache_read_input_tokens": 4}}
    ending = {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 7}}
    [answer] = play({"type": "message_start", "message": opening}, ending)
    assert answer == Completed([], "max_tokens", TokenUsage(9, 7, 4, 0), "claude-x")


@pytest.mark.parametrize("event", [{"type": "ping"}, {"type": "something_new", "field": 1}])
def test_unknown_events_are_ignored(event: Json) -> None:
    assert Accumulator("m").apply(event) is None


def test_unknown_deltas_are_ignored() -> None:
    assert content(*block(0, {"type": "text", "text": "a"}, {"type": "new_delta"})) == [{"type": "text", "text": "a"}]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": "content_block_delta", "index": 5, "delta": {"type": "text_delta", "text": "x"}},
        {"type": "content_block_start", "index": 0, "content_block": {}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "name": "x"}},
        {"type": "message_start"},
    ],
)
def test_events_of_the_wrong_shape(event: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError)):
        Accumulator("m").apply(event)


def test_neighbouring_deltas_of_a_kind_are_join_chunks() -> None:
    call = ToolUseStarted("toolu_1", "clock")
    news = [ThinkingChunk("a"), ThinkingChunk("b"), TextChunk("c"), TextChunk("d"), call, TextChunk("e")]
    assert list(join_chunks(news)) == [ThinkingChunk("ab"), TextChunk("cd"), call, TextChunk("e")]


def test_what_was_said_before_a_failure_is_not_held_back() -> None:
    def breaking() -> Iterator[ModelEvent]:
        yield TextChunk("a")
        yield TextChunk("b")
        raise ModelError("stream_broken", "It broke.")

    heard = join_chunks(breaking())
    assert next(heard) == TextChunk("ab")
    with pytest.raises(ModelError):
        next(heard)

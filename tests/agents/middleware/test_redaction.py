"""Redaction: watchers and the log get the same text without any match, however the stream is split."""

import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.agent import Agent
from agents.middleware.redaction import MAX_MATCH_CHARACTERS, WORD, Pattern, Redaction, Redactor, redact, redact_run
from agents.models import Call, Completed, ModelEvent, ModelRequest, ScriptedModel, Step, TextChunk, ThinkingChunk
from agents.models.protocol import Json, ToolUseStarted
from agents.tools import tool
from agents.turn.events import AssistantMsg, ToolCall
from tests.support.conversations import World, rest, say, watching

MAIL = "ada.lovelace+x@mail.example.org"
CARD = "4111 1111 1111 1111"
KEY = "sk-ant-api03-a1B2c3D4e5F6g7H8i9J0"

PIECES = st.sampled_from(
    [
        MAIL,
        CARD,
        KEY,
        "4111-1111-1111-1111",
        "5500005555555559",
        "ghp_" + "a1" * 18,
        "AKIA1234567890ABCDEF",
        "@",
        ".",
        " ",
        "-",
        "\n",
        "1",
        "4",
        "sk-",
        "Hello,",
        "ä字",
        "a@b",
        "x" * (MAX_MATCH_CHARACTERS + 3),
        "1 " * 40,
    ]
)
TEXTS = st.lists(PIECES | st.text(alphabet="a1@. -_sk", max_size=12), max_size=8).map("".join)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", ""),
        ("Nothing here.", "Nothing here."),
        (f"Write to {MAIL}.", "Write to [e-mail address]."),
        (f"<{MAIL}>,{MAIL}", "<[e-mail address]>,[e-mail address]"),
        ("a@b and @home and x@y.z", "a@b and @home and x@y.z"),
        (f"Pay with {CARD}!", "Pay with [card number]!"),
        ("4111-1111-1111-1111", "[card number]"),
        ("1 4111 1111 1111 1111", "1 [card number]"),
        (f"{CARD} 123", "[card number] 123"),
        ("Order 4111 1111 1111 1112", "Order 4111 1111 1111 1112"),
        ("41111111111111111111", "41111111111111111111"),
        (f"key={KEY};", "key=[API key];"),
        ("ghp_" + "a1" * 18, "[API key]"),
        ("AKIA1234567890ABCDEF", "[API key]"),
        ("sk-learn-compatible-estimators", "sk-learn-compatible-estimators"),
        ("task-a1B2c3D4e5F6g7H8i9J0", "task-a1B2c3D4e5F6g7H8i9J0"),
        (f"字{MAIL}字", "字[e-mail address]字"),
    ],
)
def test_what_is_redacted(text: str, left: str) -> None:
    assert redact(text) == left


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.data())
@example(f"{CARD} {MAIL}", None)
def test_the_result_does_not_depend_on_the_pieces(text: str, data: Any) -> None:
    whole = redact(text)
    assert _streamed(list(text)) == whole
    if data is not None:
        assert _streamed(_cut(text, data)) == whole


@settings(deadline=None, max_examples=60)
@given(st.lists(TEXTS, max_size=4))
def test_adjacent_texts_are_redacted_as_one(texts: list[str]) -> None:
    assert "".join(redact_run(texts, _defaults())) == redact("".join(texts))
    assert len(redact_run(texts, _defaults())) == len(texts)


@settings(deadline=None, max_examples=60)
@given(TEXTS)
def test_what_is_held_back_is_bounded(text: str) -> None:
    redactor = Redactor(_defaults())
    for number, character in enumerate(text, 1):
        redactor.feed(character)
        held = len(redactor._text) - redactor._position
        assert held <= MAX_MATCH_CHARACTERS, f"after {number} characters"


def test_what_cannot_become_a_match_is_released_at_once() -> None:
    redactor = Redactor(_defaults())
    released = [redactor.feed(piece) for piece in ["Hello", ", ", "world", " ", "字", "!"]]
    assert released == ["", "Hello, ", "", "world ", "字", "!"]


def test_the_replacement_is_where_the_match_begins() -> None:
    head, tail = MAIL[:10], MAIL[10:]
    assert redact_run([f"To {head}", f"{tail} now"], _defaults()) == ["To [e-mail address]", " now"]
    assert redact_run(["a ", head, "", tail, " b"], _defaults()) == ["a ", "[e-mail address]", "", "", " b"]


def test_a_custom_pattern() -> None:
    nickname = Pattern("name", re.compile(r"Bob(?:by)?"), re.compile(r"B(?:o(?:b(?:b?y?)?)?)?\Z"))
    assert redact("Bobby, Bob and Bo", [nickname]) == "[name], [name] and Bo"
    redactor = Redactor([nickname])
    released = [redactor.feed(piece) for piece in ["a B", "ob", "by B", "a"]]
    assert [*released, redactor.end()] == ["a ", "", "[name] ", "Ba", ""]


def test_an_endless_match_is_cut() -> None:
    greedy = Pattern("word", re.compile(r"w\S*"), WORD)
    text = "w" * (2 * MAX_MATCH_CHARACTERS + 1)
    assert redact(text, [greedy]) == "[word][word][word]"
    assert _streamed(list(text), [greedy]) == "[word][word][word]"


def _defaults() -> Sequence[Pattern]:
    return Redaction()._patterns


def _streamed(pieces: Sequence[str], patterns: Sequence[Pattern] | None = None) -> str:
    redactor = Redactor(_defaults() if patterns is None else patterns)
    return "".join([*(redactor.feed(piece) for piece in pieces), redactor.end()])


def _cut(text: str, data: Any) -> list[str]:
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


BLOCKS = st.lists(st.tuples(st.sampled_from(["text", "thinking", "tool_use", "server_tool_use"]), TEXTS), max_size=6)


@settings(deadline=None, max_examples=60)
@given(BLOCKS, st.data())
async def test_stream_and_answer_have_the_same_texts(blocks: list[tuple[str, str]], data: Any) -> None:
    content = [_block(kind, text, number) for number, (kind, text) in enumerate(blocks)]
    events: list[ModelEvent] = []
    for block in content:
        match block["type"]:
            case "text":
                events += [TextChunk(piece) for piece in _cut(block["text"], data)]
            case "thinking":
                events += [ThinkingChunk(piece) for piece in _cut(block["thinking"], data)]
            case "tool_use":
                events.append(ToolUseStarted(block["id"], block["name"]))
    shown = await _through(Redaction(), [*events, Completed(content, "end_turn")])
    *_, completed = shown
    assert isinstance(completed, Completed)
    for delta, kind in ((TextChunk, "text"), (ThinkingChunk, "thinking")):
        watched = "".join(event.text for event in shown if isinstance(event, delta))
        assert watched == "".join(block[kind] for block in completed.content if block["type"] == kind)
    assert [block["type"] for block in completed.content] == [kind for kind, _ in blocks]
    assert not [event for event in shown if isinstance(event, TextChunk | ThinkingChunk) and not event.text]
    order = [event for event in shown if not isinstance(event, TextChunk | ThinkingChunk)]
    assert order[:-1] == [event for event in events if isinstance(event, ToolUseStarted)]


def _block(kind: str, text: str, number: int) -> Json:
    if kind == "thinking":
        return {"type": kind, "thinking": text, "signature": "s"}
    if kind == "text":
        return {"type": kind, "text": text}
    return {"type": kind, "id": f"call_{number}", "name": "work", "input": {"text": text}}


async def _through(redaction: Redaction, events: Sequence[ModelEvent]) -> list[ModelEvent]:
    async def call(request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        for event in events:
            yield event

    context: Any = None
    return [event async for event in redaction.stream(ModelRequest("", []), call, context)]


async def test_arguments_are_redacted_on_request() -> None:
    given = {"to": [MAIL], "nested": {"key": KEY}, "count": 3}
    block = {"type": "tool_use", "id": "1", "name": "mail", "input": given}
    broken = {"type": "tool_use", "id": "2", "name": "mail", "input": {}, "malformed": f'{{"to": "{MAIL}'}
    answer = Completed([block, broken], "tool_use")
    assert await _through(Redaction(), [answer]) == [answer]
    [completed] = await _through(Redaction(arguments=True), [answer])
    assert isinstance(completed, Completed)
    assert [(block["input"], block.get("malformed")) for block in completed.content] == [
        ({"to": ["[e-mail address]"], "nested": {"key": "[API key]"}, "count": 3}, None),
        ({}, '{"to": "[e-mail address]'),
    ]


@tool
async def mail(to: str) -> str:
    """Send a mail."""
    return f"sent to {to}"


async def test_in_a_conversation(world: World) -> None:
    requests: list[ModelRequest] = []
    steps = [
        Step(text=f"I write to {MAIL} now.", thinking=f"It is {MAIL}", calls=[Call("mail", {"to": MAIL})]),
        Step(text=f"Written. {CARD}", thinking="Done"),
    ]

    def script(request: ModelRequest) -> Step:
        requests.append(request)
        return steps[len(requests) - 1]

    agent = Agent(name="a", model=ScriptedModel(script), tools=[mail], middleware=[Redaction()])
    conversation = await world.start(agent)
    async with watching(world.store) as watcher:
        await say(conversation)
        seen = await watcher.until("turn_completed")
    assert await rest(conversation) == "idle"
    answers = [event for event in await world.events() if isinstance(event, AssistantMsg)]
    first, second = answers
    assert [dict(block) for block in first.content[:2]] == [
        {"type": "thinking", "thinking": "It is [e-mail address]"},
        {"type": "text", "text": "I write to [e-mail address] now."},
    ]
    assert second.content[0]["signature"] == "scripted", "what is unchanged stays signed"
    for answer in answers:
        for kind in ("text", "thinking"):
            deltas = [e for e in seen if e["type"] == f"{kind}_delta" and e["message_id"] == answer.message_id]
            logged = "".join(block[kind] for block in answer.content if block["type"] == kind)
            assert "".join(delta["text"] for delta in deltas) == logged
            assert [delta["index"] for delta in deltas[1:]] == [delta["next"] for delta in deltas[:-1]]
            assert not deltas or (deltas[0]["index"], deltas[-1]["next"]) == (0, len(logged))
    [call] = [event for event in await world.events() if isinstance(event, ToolCall)]
    assert call.arguments == {"to": MAIL}
    sent = [block for message in requests[1].messages for block in message["content"]]
    assert "thinking" not in [block["type"] for block in sent], "changed thinking is not sent again"

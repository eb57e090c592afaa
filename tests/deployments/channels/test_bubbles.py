"""Bubbles: whatever the text, its parts are within the limit, and together they are the text."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deployments.channels.sending.bubbles import BREAK, FENCE, MAX_OWN_BREAKS, split
from deployments.channels.sending.graphemes import is_boundary

PAGE = Path(__file__).parents[3] / "docs" / "channels.md"

FAMILY = "👨‍👩‍👧‍👦"
WAVING = "👋🏽"
ROOM_FOR_FENCES = 24
FLAG = "🇩🇪"
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
GRAPHEMES = [FAMILY, WAVING, FLAG, SCOTLAND, "e\u0301", "a\u0308\u0323", "क्षि", "각", "1️⃣", "🏳️‍🌈", "นี้", "ﷺ", "ש\u05b8"]
WORDS = [
    "word",
    "שלום",
    "مرحبا",
    "漢字かな",
    "https://example.org/a/b?c=d",
    "[here](https://x.org/a)",
    "`x = 1`",
    "e.g.",
    "Ends.",
]
SEPARATORS = [
    " ",
    "\n",
    "\n\n",
    ". ",
    "。",
    "",
    "\t",
    "\n  - ",
    "\n| a | b |\n",
    "\n```py\n",
    "\n```\n",
    "\n~~~\n",
    f"\n{BREAK}\n",
]
texts = st.lists(st.sampled_from([*GRAPHEMES, *WORDS, *SEPARATORS]) | st.text(max_size=8), max_size=60).map("".join)


def units(text: str) -> int:
    """As Telegram counts."""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def bare(text: str) -> str:
    """What is left without white space, fences of code, and breaks."""
    lines = (line for line in text.split("\n") if not FENCE.fullmatch(line.rstrip("\r")) and line.strip() != BREAK)
    return re.sub(r"\s+", "", "\n".join(lines))


@settings(deadline=None, max_examples=300)
@given(text=texts, limit=st.integers(2, 80), counts=st.sampled_from([len, units]))
@example(text="```\n" + "x" * 200 + "\n```", limit=40, counts=len)
@example(text="a\n```\nb\n```\n```\nc\n```", limit=12, counts=len)
def test_the_parts_are_the_text_and_within_the_limit(text: str, limit: int, counts: object) -> None:
    length = units if counts is units else len
    parts = split(text, limit, length)
    assert [part for part in parts if not part.strip()] == []
    assert [part for part in parts if length(part) > limit] == []
    if limit >= ROOM_FOR_FENCES or not any(FENCE.fullmatch(line) for line in text.splitlines()):
        assert "".join(map(bare, parts)) == bare(text)


@settings(deadline=None)
@given(pieces=st.lists(st.sampled_from(GRAPHEMES), max_size=80), limit=st.integers(16, 40))
def test_no_grapheme_is_cut(pieces: list[str], limit: int) -> None:
    parts = split("".join(pieces), limit, units)
    assert "".join(parts) == "".join(pieces)
    places, at = {0}, 0
    for piece in pieces:
        at += len(piece)
        places.add(at)
    at = 0
    for part in parts:
        at += len(part)
        assert at in places


@pytest.mark.parametrize("grapheme", GRAPHEMES)
def test_these_are_one(grapheme: str) -> None:
    text = f"a{grapheme}b"
    assert [place for place in range(1, len(text)) if is_boundary(text, place)] in (
        [1, len(text) - 1],
        [1, 2, len(text) - 1],
    )
    inside = [place for place in range(2, len(text) - 1) if is_boundary(text, place)]
    assert inside == []


def test_flags_are_cut_in_pairs() -> None:
    assert [place for place in range(9) if is_boundary(FLAG * 4, place)] == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        (" \n\n ", []),
        ("Hi!", ["Hi!"]),
        ("Hi!\n\nHow are you?", ["Hi!", "How are you?"]),
        (f"Hi!\n\nI am well.\n{BREAK}\nAnd you?", ["Hi!\n\nI am well.", "And you?"]),
        ("# Title\n\nText", ["# Title\n\nText"]),
        ("Look:\n\n- a\n  - b\n- c", ["Look:\n\n- a\n  - b\n- c"]),
        ("So:\n```py\na = 1\n\nb = 2\n```\n\nDone.", ["So:\n```py\na = 1\n\nb = 2\n```", "Done."]),
        (f"```\n{BREAK}\n```", [f"```\n{BREAK}\n```"]),
        ("  - a\n\n  - b", ["  - a", "  - b"]),
    ],
)
def test_the_models_own_breaks(text: str, parts: list[str]) -> None:
    assert split(text, 4096) == parts


def test_an_essay_is_not_texted_by_the_paragraph() -> None:
    parts = split("\n\n".join(f"Paragraph {number}." for number in range(60)), 4096)
    assert 1 < len(parts) <= MAX_OWN_BREAKS + 1


def test_long_texts_are_cut_where_sentences_end() -> None:
    assert split("One is here. Two is there. Three is far away.", 30) == [
        "One is here. Two is there.",
        "Three is far away.",
    ]
    assert split("今日は晴れです。明日は雨です。", 10) == ["今日は晴れです。", "明日は雨です。"]


def test_a_link_is_not_cut() -> None:
    link = "[the page](https://example.org/with/a/long/path)"
    parts = split(f"You will find it there, on {link} as ever", 60)
    assert any(link in part for part in parts)
    parts = split("see it on https://example.org/with/a/long/path now", 45)
    assert any("https://example.org/with/a/long/path" in part for part in parts)


def test_a_block_of_code_is_closed_and_opened_again() -> None:
    code = "\n".join(f"line_{number} = {number}" for number in range(40))
    parts = split(f"So:\n```python\n{code}\n```\nThat is all.", 120)
    blocks = [part for part in parts if part.startswith("```")]
    assert parts[0] == "So:"
    assert parts[-1] == "That is all."
    assert len(blocks) > 1
    assert all(block.startswith("```python\n") and block.endswith("\n```") for block in blocks)
    assert "\n".join(block.removeprefix("```python\n").removesuffix("\n```") for block in blocks) == code


def test_long_texts_without_a_place_to_cut_take_no_time() -> None:
    began = time.process_time()
    for text in (
        "x" * 100_000,
        "漢" * 100_000,
        FAMILY * 10_000,
        "[" * 100_000,
        "a\u0301" * 50_000,
        "`" * 100_000,
        "🇩🇪" * 20_000,
    ):
        parts = split(text, 4096, units)
        assert "".join(map(bare, parts)) == bare(text)
        assert max(map(units, parts)) <= 4096
    assert time.process_time() - began < 20, "not quadratic"


def test_one_grapheme_that_is_too_long_is_cut_all_the_same() -> None:
    text = "e" + "\u0301" * 100
    parts = split(text, 40)
    assert "".join(parts) == text
    assert max(map(len, parts)) <= 40


def test_the_code_on_the_page_runs() -> None:
    [code] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})


def test_there_has_to_be_room() -> None:
    with pytest.raises(ValueError, match="no text fits"):
        split("a", 0)

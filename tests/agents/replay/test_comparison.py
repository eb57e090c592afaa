"""What differs between a recorded answer and a new one."""

import pytest

from agents.replay.comparison import compare
from agents.replay.said import CallMade, Said


def said(text: str = "", *calls: CallMade, **fields: object) -> Said:
    return Said(text=text, calls=calls, **fields)  # type: ignore[arg-type]


def call(name: str, **arguments: object) -> CallMade:
    return CallMade(name, arguments)


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        (said("a b"), said(" a\n b "), "same"),
        (said("a b"), said("a c"), "words"),
        (said("a", call("f", x=1, y=2)), said("b", call("f", y=2, x=1)), "words"),
        (said("a", call("f", x=1)), said("a"), "calls"),
        (said("a", call("f", x=1)), said("a", ending="failed"), "ending"),
        (said('{"n": 1}', output={"n": 1}), said('{"n":1}', output={"n": 1}), "same"),
        (said('{"n": 1}', output={"n": 1}), said('{"n":2}', output={"n": 2}), "words"),
        (said("1", call("f", x=1)), said("1", call("f", x=1.0)), "calls"),
    ],
)
def test_the_gravest_difference_is_the_verdict(old: Said, new: Said, verdict: str) -> None:
    assert compare(old, new).verdict == verdict


def test_calls_are_paired_by_arguments_before_names_whatever_their_order() -> None:
    old = said("", call("f", x=1), call("f", x=2), call("g"), call("h"))
    new = said("", call("g"), call("f", x=2), call("f", x=3), call("i"))
    pairs = [(pair.change, pair.name, pair.new and pair.new.arguments) for pair in compare(old, new).calls]
    assert pairs == [
        ("changed", "f", {"x": 3}),
        ("same", "f", {"x": 2}),
        ("same", "g", {}),
        ("missing", "h", None),
        ("added", "i", {}),
    ]


def test_similarity_is_of_words_and_bounded() -> None:
    assert compare(said("one two three four"), said("one two three five")).similarity == 0.75
    assert compare(said("x"), said("y")).similarity == 0
    long = "word " * 100_000
    assert compare(said(long + "a"), said(long + "b")).similarity < 1, "what differs late is not the same"
    assert compare(said(""), said("")).similarity == 1

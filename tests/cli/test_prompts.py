"""What a person types at a question, and the decision that it becomes."""

import io
from typing import Any

import pytest
from rich.console import Console

from deployments.cli.prompts import ask_for_decision

APPROVAL = {"kind": "approval", "name": "restart", "prompt": "Restart a service.", "arguments_hash": "abc"}
PLACES = {
    "id": "where",
    "prompt": "Where?",
    "options": [
        {"value": "eu", "label": "Europe", "description": "Frankfurt"},
        {"value": "us", "label": "America"},
    ],
    "multiple": False,
    "free": False,
}


def decide(monkeypatch: pytest.MonkeyPatch, call: dict[str, Any], *lines: str) -> tuple[dict[str, Any], str]:
    """The decision after these lines of input, and all that was on the screen."""
    screen = io.StringIO()
    rest = io.StringIO("".join(f"{line}\n" for line in lines))
    monkeypatch.setattr("sys.stdin", rest)
    decision = ask_for_decision(Console(file=screen, width=100), call)
    assert rest.read() == "", "every line was needed"
    return decision, screen.getvalue()


def form(**changes: Any) -> dict[str, Any]:
    return {"kind": "elicitation", "prompt": "Please choose.", "form": {"questions": [{**PLACES, **changes}]}}


@pytest.mark.parametrize(
    ("lines", "decision"),
    [
        (["y"], {"decision": "approve"}),
        (["", "maybe", "YES"], {"decision": "approve"}),
        (["n", "too early"], {"decision": "reject", "reason": "too early"}),
        (["no", ""], {"decision": "reject", "reason": None}),
        (["e", '{"service": "api"}'], {"decision": "edit", "arguments": {"service": "api"}}),
        (["e", "[1]", "{", "{}"], {"decision": "edit", "arguments": {}}),
        (["a", "it restarts by itself"], {"decision": "respond", "answer": "it restarts by itself"}),
    ],
)
def test_an_approval(monkeypatch: pytest.MonkeyPatch, lines: list[str], decision: dict[str, Any]) -> None:
    assert decide(monkeypatch, APPROVAL, *lines)[0] == {**decision, "arguments_hash": "abc"}


def test_only_allowed_decisions_are_offered_and_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    call = {**APPROVAL, "decisions": ["approve", "reject"]}
    decision, screen = decide(monkeypatch, call, "e", "a", "y")
    assert decision["decision"] == "approve"
    assert screen == "Run restart? [y]es, [n]o: " * 3


def test_a_sub_agents_call_is_asked_for_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    below = {"call": {"name": "delete_page", "arguments": {}}, "asked": {"tool_call_id": "t", "seq": 3}}
    call = {**APPROVAL, "name": "task", "decisions": ["approve"], "form": below}
    assert decide(monkeypatch, call, "y")[1] == "Run delete_page? [y]es: "


def test_a_question_without_a_form(monkeypatch: pytest.MonkeyPatch) -> None:
    call = {"kind": "elicitation", "prompt": "Which colour?"}
    assert decide(monkeypatch, call, "red") == ({"decision": "respond", "answer": "red"}, "Which colour? ")


def test_one_option_by_number_or_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    decision, screen = decide(monkeypatch, form(), "2")
    assert decision == {"decision": "respond", "answer": {"where": "us"}}
    assert screen == "Where?\n  1) Europe – Frankfurt\n  2) America\nNumber: "
    assert decide(monkeypatch, form(), "eu")[0]["answer"] == {"where": "eu"}


def test_an_option_that_is_not_offered_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    decision, screen = decide(monkeypatch, form(), "3", "", "0", "1")
    assert decision["answer"] == {"where": "eu"}
    assert "3 is not offered" in screen


def test_several_options(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decide(monkeypatch, form(multiple=True), "1, us")[0]["answer"] == {"where": ["eu", "us"]}
    mixed, _ = decide(monkeypatch, form(multiple=True, free=True), "1, the moon")
    assert mixed["answer"] == {"where": ["eu", "the moon"]}


def test_free_text_where_the_form_allows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decide(monkeypatch, form(free=True), "the moon")[0]["answer"] == {"where": "the moon"}
    assert decide(monkeypatch, form(free=True), "1")[0]["answer"] == {"where": "eu"}
    assert decide(monkeypatch, form(free=True, options=[]), "", "the moon")[0]["answer"] == {"where": "the moon"}


def test_every_question_of_a_form(monkeypatch: pytest.MonkeyPatch) -> None:
    call = {"kind": "elicitation", "form": {"questions": [PLACES, {**PLACES, "id": "whence"}]}}
    assert decide(monkeypatch, call, "1", "2")[0]["answer"] == {"where": "eu", "whence": "us"}

"""How a person decides at the terminal: about a call that waits for approval, or a form, question by question."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from deployments.cli.errors import CommandFailed
from deployments.cli.transcript import strip_controls

PendingCall = Mapping[str, Any]
"""An entry of `pending` as the API shows it."""

DECISIONS = {
    "approval": ("approve", "edit", "reject", "respond"),
    "elicitation": ("respond", "reject"),
    "client_exec": ("respond", "reject"),
}
KEYS = {"y": "approve", "n": "reject", "e": "edit", "a": "respond"}
LABELS = {"approve": "[y]es", "reject": "[n]o", "edit": "[e]dit the arguments", "respond": "[a]nswer in its place"}


def allowed_decisions(call: PendingCall) -> Sequence[str]:
    """The decisions that this call takes."""
    return list(call.get("decisions") or DECISIONS[call["kind"]])


def tool_name(call: PendingCall) -> str:
    """The tool that waits; of a sub-agent's call the sub-agent's own tool."""
    inner = (call.get("form") or {}).get("call") or call
    return str(inner.get("name") or "it")


def ask_for_decision(console: Console, call: PendingCall) -> dict[str, Any]:
    """Ask until there is a decision: the body of a resolution, the call's id apart."""
    resolution = _ask_for_approval(console, call) if call["kind"] == "approval" else _ask_for_answer(console, call)
    if shown := call.get("arguments_hash"):
        resolution["arguments_hash"] = shown
    return resolution


def parse_arguments(text: str) -> dict[str, Any]:
    """A JSON object. Raises CommandFailed."""
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise CommandFailed(f"--arguments is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise CommandFailed("--arguments must be a JSON object")
    return parsed


def _ask_for_approval(console: Console, call: PendingCall) -> dict[str, Any]:
    choices = allowed_decisions(call)
    offer = ", ".join(LABELS[decision] for decision in choices)
    while True:
        key = _read_line(console, f"Run {strip_controls(tool_name(call))}? {offer}: ").lower()[:1]
        match KEYS.get(key):
            case decision if decision not in choices:
                continue
            case "edit":
                arguments = _ask_until_valid(console, "Arguments, as JSON: ", parse_arguments)
                return {"decision": "edit", "arguments": arguments}
            case "reject":
                return {"decision": "reject", "reason": _read_line(console, "Why not? ") or None}
            case "respond":
                return _ask_for_answer(console, call)
            case decision:
                return {"decision": decision}


def _ask_for_answer(console: Console, call: PendingCall) -> dict[str, Any]:
    """A text, or an answer to each question of the form."""
    answer: str | dict[str, str | list[str]]
    if questions := (call.get("form") or {}).get("questions"):
        answer = {question["id"]: _ask_question(console, question) for question in questions}
    else:
        answer = _read_line(console, f"{strip_controls(call.get('prompt') or 'The agent asks:')} ")
    return {"decision": "respond", "answer": answer}


def _ask_question(console: Console, question: Mapping[str, Any]) -> str | list[str]:
    """One question of a form; options are chosen by number or by value."""
    console.print(Text(strip_controls(question["prompt"]), style="bold yellow"))
    for number, option in enumerate(question["options"], start=1):
        more = f" – {option['description']}" if option.get("description") else ""
        console.print(Text(strip_controls(f"  {number}) {option['label']}{more}")))
    several = question["options"] and question["multiple"]
    hint = "Numbers, with commas: " if several else "Number: " if question["options"] else "> "
    if question["options"] and question["free"]:
        hint = f"{hint[:-2]}, or words of your own: "
    chosen: str | list[str] = _ask_until_valid(console, hint, lambda line: _parse_choices(question, line))
    return chosen


def _parse_choices(question: Mapping[str, Any], line: str) -> str | list[str]:
    """What was chosen, as the API takes it. Raises CommandFailed for what the question does not offer."""
    if question["multiple"]:
        return [_parse_choice(question, word.strip()) for word in line.split(",")]
    return _parse_choice(question, line)


def _parse_choice(question: Mapping[str, Any], word: str) -> str:
    values: list[str] = [option["value"] for option in question["options"]]
    if word.isdecimal() and 0 < int(word) <= len(values):
        return values[int(word) - 1]
    if not word:
        raise CommandFailed("say something")
    if word not in values and not question["free"]:
        raise CommandFailed(f"{word} is not offered")
    return word


def _ask_until_valid(console: Console, hint: str, parse: Callable[[str], Any]) -> Any:  # noqa: ANN401 - whatever `parse` returns
    while True:
        try:
            return parse(_read_line(console, hint))
        except CommandFailed as error:
            console.print(Text(str(error).removeprefix("--"), style="red"))


def _read_line(console: Console, hint: str) -> str:
    return console.input(Text(hint, style="yellow")).strip()

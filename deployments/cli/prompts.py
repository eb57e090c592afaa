"""How a person decides at the terminal: about a call that waits for approval, or a form, question by question."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from deployments.cli.errors import CommandFailed
from deployments.cli.transcript import harmless

Asked = Mapping[str, Any]
"""A pending entry as the API shows it."""

DECISIONS = {
    "approval": ("approve", "edit", "reject", "respond"),
    "elicitation": ("respond", "reject"),
    "client_exec": ("respond", "reject"),
}
KEYS = {"y": "approve", "n": "reject", "e": "edit", "a": "respond"}
WORDS = {"approve": "[y]es", "reject": "[n]o", "edit": "[e]dit the arguments", "respond": "[a]nswer in its place"}


def allowed(asked: Asked) -> Sequence[str]:
    """The decisions that this entry takes."""
    return list(asked.get("decisions") or DECISIONS[asked["kind"]])


def name_of(asked: Asked) -> str:
    """The tool that waits: the sub-agent's own, where one asks through the call that it works for."""
    call = (asked.get("form") or {}).get("call") or asked
    return str(call.get("name") or "it")


def decide(console: Console, asked: Asked) -> dict[str, Any]:
    """Ask until there is a decision: the body of a resolution, the call's id apart."""
    resolution = _decided(console, asked)
    if shown := asked.get("arguments_hash"):
        resolution["arguments_hash"] = shown
    return resolution


def _decided(console: Console, asked: Asked) -> dict[str, Any]:
    if asked["kind"] != "approval":
        return {"decision": "respond", "answer": _answer(console, asked)}
    choices = allowed(asked)
    offer = ", ".join(WORDS[decision] for decision in choices)
    while True:
        key = _ask(console, f"Run {harmless(name_of(asked))}? {offer}: ").lower()[:1]
        match KEYS.get(key):
            case decision if decision not in choices:
                continue
            case "edit":
                return {"decision": "edit", "arguments": _insist(console, "Arguments, as JSON: ", parsed_arguments)}
            case "reject":
                return {"decision": "reject", "reason": _ask(console, "Why not? ") or None}
            case "respond":
                return {"decision": "respond", "answer": _answer(console, asked)}
            case decision:
                return {"decision": decision}


def _answer(console: Console, asked: Asked) -> Any:  # noqa: ANN401 - a text, or an answer to each question
    questions = (asked.get("form") or {}).get("questions")
    if not questions:
        return _ask(console, f"{harmless(asked.get('prompt') or 'The agent asks:')} ")
    return {question["id"]: _choose(console, question) for question in questions}


def _choose(console: Console, question: Mapping[str, Any]) -> str | list[str]:
    """One question of a form; options are chosen by number or by value."""
    console.print(Text(harmless(question["prompt"]), style="bold yellow"))
    for number, option in enumerate(question["options"], start=1):
        more = f" – {option['description']}" if option.get("description") else ""
        console.print(Text(harmless(f"  {number}) {option['label']}{more}")))
    several = question["options"] and question["multiple"]
    hint = "Numbers, with commas: " if several else "Number: " if question["options"] else "> "
    if question["options"] and question["free"]:
        hint = f"{hint[:-2]}, or words of your own: "
    chosen: str | list[str] = _insist(console, hint, lambda said: _chosen(question, said))
    return chosen


def _chosen(question: Mapping[str, Any], said: str) -> str | list[str]:
    """What was chosen, as the API takes it. Raises CommandFailed for what the question does not offer."""
    if question["multiple"]:
        return [_value(question, word.strip()) for word in said.split(",")]
    return _value(question, said)


def _value(question: Mapping[str, Any], word: str) -> str:
    values: list[str] = [option["value"] for option in question["options"]]
    if word.isdecimal() and 0 < int(word) <= len(values):
        return values[int(word) - 1]
    if not word:
        raise CommandFailed("say something")
    if word not in values and not question["free"]:
        raise CommandFailed(f"{word} is not offered")
    return word


def parsed_arguments(said: str) -> dict[str, Any]:
    """A JSON object. Raises CommandFailed."""
    try:
        parsed = json.loads(said)
    except ValueError as error:
        raise CommandFailed(f"--arguments is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise CommandFailed("--arguments must be a JSON object")
    return parsed


def _insist(console: Console, hint: str, read: Callable[[str], Any]) -> Any:  # noqa: ANN401 - whatever `read` makes
    while True:
        try:
            return read(_ask(console, hint))
        except CommandFailed as error:
            console.print(Text(str(error).removeprefix("--"), style="red"))


def _ask(console: Console, hint: str) -> str:
    return console.input(Text(hint, style="yellow")).strip()

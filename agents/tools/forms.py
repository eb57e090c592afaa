"""Questions to people as forms: their shape, and the check of an answer against them.

A form is `{"questions": [{"id", "prompt", "options": [{"value", "label", "description"?}], "multiple", "free"}]}`. Its
answer is `{id: value}`: the value of an option, or the person's own words where `free`; a list of these where
`multiple`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.errors import ToolError

MAX_CHARACTERS = 10_000
MAX_CHOICES = 100


def check_form_answer(form: Mapping[str, Any], answer: object) -> dict[str, str | list[str]]:
    """The answer in the order of the questions; raises ToolError with a sentence for the person who answered."""
    questions = {question["id"]: question for question in form["questions"]}
    if not isinstance(answer, Mapping):
        raise ToolError(f"The answer must be an object with an entry for each of {_listed(questions)}.")
    if missing := [key for key in questions if key not in answer]:
        raise ToolError(f"Not every question is answered: {_listed(missing)} is missing.")
    if unknown := [key for key in answer if key not in questions]:
        raise ToolError(f"Nobody asked {_listed(unknown)}; the questions are {_listed(questions)}.")
    return {key: _check_question(question, answer[key]) for key, question in questions.items()}


def _check_question(question: Mapping[str, Any], given: object) -> str | list[str]:
    """One question's answer, as a text or as a list of texts without repetitions."""
    key = question["id"]
    if not question.get("multiple"):
        return _value(question, given)
    if not isinstance(given, list):
        raise ToolError(f"The answer to {key} must be a list: several may be chosen.")
    if not 1 <= len(given) <= MAX_CHOICES:
        raise ToolError(f"The answer to {key} must have 1 to {MAX_CHOICES} entries, not {len(given)}.")
    values = [_value(question, value) for value in given]
    if len(set(values)) < len(values):
        raise ToolError(f"The answer to {key} names the same twice.")
    return values


def _value(question: Mapping[str, Any], given: object) -> str:
    key = question["id"]
    if not isinstance(given, str):
        raise ToolError(f"The answer to {key} must be a text, not {type(given).__name__}.")
    values = [option["value"] for option in question.get("options", ())]
    if given in values:
        return given
    if not question.get("free"):
        raise ToolError(f"The answer to {key} must be one of {_listed(values)}, not {given[:100]!r}.")
    if not given.strip() or len(given) > MAX_CHARACTERS:
        raise ToolError(f"The answer to {key} must have 1 to {MAX_CHARACTERS} characters.")
    return given


def _listed(keys: Sequence[Any] | Mapping[str, Any]) -> str:
    return ", ".join(str(key)[:100] for key in keys)

"""One step of a scripted model: its text, its calls, or its failure in one answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from agents.errors import ModelError
from agents.models.protocol import ModelRequest

FailurePoint = Literal["before", "after"]
"""Before the first token, or after the last one."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; with `malformed`, the arguments are that text, which is no JSON."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    malformed: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One answer: thinking, text, calls. It may fail, or hang until it is cancelled, before or after them."""

    text: str = ""
    calls: Sequence[Call] = ()
    thinking: str = ""
    failure: ModelError | None = None
    fails: FailurePoint = "before"
    hangs: FailurePoint | None = None
    stop_reason: str | None = None

    @classmethod
    def json(cls, value: object) -> "Step":
        """A structured answer: the value as JSON."""
        return cls(orjson.dumps(value).decode())


ScriptFunction = Callable[[ModelRequest], Step]
"""Chooses the step from nothing but the request, so that the same call after a crash gets the same answer."""


def script_of(steps: Sequence[Step]) -> ScriptFunction:
    """A script that plays the steps in order: as many as the history has answers are over."""

    def choose(request: ModelRequest) -> Step:
        position = len([message for message in request.messages if message["role"] == "assistant"])
        if position < len(steps):
            return steps[position]
        return Step(failure=ModelError("invalid_request", f"The script ends after {len(steps)} steps."))

    return choose

"""One step of a scripted model: what it says, calls, or fails with in one answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from agents.errors import ModelError
from agents.models.protocol import ModelRequest

Place = Literal["before", "after"]
"""Before the first token, or after the last one."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; with `malformed` its arguments are that text, which is no JSON."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    malformed: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One answer: thinking, text, calls; it may fail, or hang until cancelled, before or after them."""

    text: str = ""
    calls: Sequence[Call] = ()
    thinking: str = ""
    failure: ModelError | None = None
    fails: Place = "before"
    hangs: Place | None = None
    stop_reason: str | None = None

    @classmethod
    def json(cls, value: object) -> "Step":
        """The answer of structured output: the value, spelled as JSON."""
        return cls(orjson.dumps(value).decode())


Script = Callable[[ModelRequest], Step]
"""Chooses the step from the request alone, so that the same call after a crash gets the same answer."""


def script_of(steps: Sequence[Step]) -> Script:
    """Play the steps in order: the number of answers already in the history says which one is next."""

    def choose(request: ModelRequest) -> Step:
        position = len([message for message in request.messages if message["role"] == "assistant"])
        if position < len(steps):
            return steps[position]
        return Step(failure=ModelError("invalid_request", f"The script ends after {len(steps)} steps."))

    return choose

"""The history of a run, as its people see it from outside: every operation with its attempts."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["send", "cancel", "decide"]
Outcome = Literal["ok", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request; times are seconds since the epoch, `answer` the body of the response or what went wrong.

    `refused` is a definite no (4xx). After any other response that is no acknowledgement, the outcome is unknown.
    """

    begun: float
    ended: float
    outcome: Outcome
    answer: Mapping[str, Any]

    def has_code(self, code: str) -> bool:
        """Whether it was refused with this code."""
        return self.outcome == "refused" and str(self.answer.get("type", self.answer.get("code"))).endswith(code)


@dataclass(slots=True)
class Operation:
    """Something that a person requested, repeated until the answer was definite or the person gave up."""

    person: str
    kind: Kind
    conversation: str
    request: Mapping[str, Any]
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """`ok` if an attempt was acknowledged; `refused` if every attempt was refused; else `unknown`."""
        outcomes = {attempt.outcome for attempt in self.attempts}
        if "ok" in outcomes:
            return "ok"
        return "refused" if outcomes == {"refused"} else "unknown"

    @property
    def acknowledged(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.outcome == "ok"]

    def note(self, begun: float, outcome: Outcome, answer: Mapping[str, Any]) -> Attempt:
        """Record an attempt that ends now."""
        attempt = Attempt(begun, time.time(), outcome, answer)
        self.attempts.append(attempt)
        return attempt

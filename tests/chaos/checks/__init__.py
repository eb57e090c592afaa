"""The promises, one a file: each check is a function from the evidence to the violations that it finds."""

from collections.abc import Callable, Iterator, Sequence

from tests.chaos.checks import (
    answers,
    cancels,
    decisions,
    effects,
    epochs,
    feed,
    invariants,
    messages,
    unfinished,
    watchers,
)
from tests.chaos.evidence import Evidence, Violation

Check = Callable[[Evidence], Iterator[Violation]]

CHECKS: Sequence[Check] = (
    messages.check,
    answers.check,
    cancels.check,
    decisions.check,
    effects.check,
    epochs.check,
    feed.check,
    watchers.check,
    unfinished.check,
    invariants.check,
)


def violations(evidence: Evidence) -> list[Violation]:
    """The violations that all checks find."""
    return [violation for check in CHECKS for violation in check(evidence)]

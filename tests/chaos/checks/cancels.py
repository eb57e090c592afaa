"""Cancels: an acknowledged one ended a turn; one cancel ended one turn at most; none that counted was refused."""

from collections.abc import Iterator, Sequence

from tests.chaos.evidence import Evidence, StoredTranscript, Violation
from tests.chaos.history import Attempt, Operation

CLOCK_SECONDS = 0.001
"""The log's times are whole milliseconds."""


def check(evidence: Evidence) -> Iterator[Violation]:
    for transcript in evidence.transcripts.values():
        operations = [o for o in evidence.operations if o.kind == "cancel" and o.conversation == transcript.id]
        cancelled = _times_of_cancelled_turns(transcript)
        for operation in operations:
            yield from _acknowledged_ended_a_turn(operation, cancelled)
        if transcript.parent is None:  # the cancels of sub-agents are their parents'
            yield from _each_ended_one(transcript, operations)


def _acknowledged_ended_a_turn(operation: Operation, cancelled: Sequence[float]) -> Iterator[Violation]:
    for attempt in operation.acknowledged:
        begun = operation.attempts[0].begun
        if not any(begun - CLOCK_SECONDS <= at <= attempt.ended for at in cancelled):
            seen = f"acknowledged between {begun:.3f} and {attempt.ended:.3f}; turns were cancelled at {cancelled}"
            yield Violation("cancel_lost", operation.conversation, seen)


def _each_ended_one(transcript: StoredTranscript, operations: Sequence[Operation]) -> Iterator[Violation]:
    """Give each turn that a person ended one cancel that may have done it; of several, the one that ended first."""
    left = [(attempt, operation) for operation in operations for attempt in operation.attempts]
    for at in _times_of_cancelled_turns(transcript, "user_cancelled"):
        may_have = [pair for pair in left if _may_have_ended(pair[0], at)]
        if may_have:
            chosen = min(may_have, key=lambda pair: _last_moment(pair[0]))
            left = [pair for pair in left if pair[1] is not chosen[1]]
            continue
        refused = [pair for pair in left if pair[0].outcome == "refused" and _is_within(pair[0], at)]
        if refused:
            seen = f"a turn ended at {at}, and the only cancel then was answered {refused[0][0].answer}"
            yield Violation("cancel_denied", transcript.id, seen)
        else:
            yield Violation("cancelled_twice", transcript.id, f"a turn was cancelled at {at}, by no cancel of its own")


def _times_of_cancelled_turns(transcript: StoredTranscript, *reasons: str) -> list[float]:
    return [
        event["at"] / 1000
        for event in transcript.of_type("turn_ended")
        if event["outcome"] == "cancelled" and (not reasons or event["reason"] in reasons)
    ]


def _may_have_ended(attempt: Attempt, at: float) -> bool:
    return attempt.outcome != "refused" and attempt.begun - CLOCK_SECONDS <= at <= _last_moment(attempt)


def _is_within(attempt: Attempt, at: float) -> bool:
    return attempt.begun - CLOCK_SECONDS <= at <= attempt.ended


def _last_moment(attempt: Attempt) -> float:
    """After a lost answer the service may go on trying."""
    return attempt.ended if attempt.outcome == "ok" else float("inf")

"""A cancel that was acknowledged ended a turn, between the request and its answer."""

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Violation


def check(evidence: Evidence) -> Iterator[Violation]:
    for operation in evidence.operations:
        if operation.kind != "cancel":
            continue
        endings = evidence.transcripts[operation.conversation].of_type("turn_ended")
        cancelled = [event["at"] / 1000 for event in endings if event["outcome"] == "cancelled"]
        for attempt in operation.acknowledged:
            begun = operation.attempts[0].begun
            # The log's times are whole milliseconds.
            if not any(begun - 0.001 <= at <= attempt.ended for at in cancelled):
                seen = f"acknowledged between {begun:.3f} and {attempt.ended:.3f}; turns were cancelled at {cancelled}"
                yield Violation("cancel_lost", operation.conversation, seen)

"""A decision is in the log where its receipt says, once; one that is there was not refused; the results fit."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.evidence import Event, Evidence, StoredTranscript, Violation
from tests.chaos.history import Operation

FITTING_RESULTS = {
    "approve": {"ok", "unknown", "cancelled"},
    "reject": {"denied", "cancelled"},
    "respond": {"ok", "cancelled"},
}
"""The possible results of a call after each decision: the work may be cancelled, or lost with its process."""


def check(evidence: Evidence) -> Iterator[Violation]:
    for operation in evidence.operations:
        if operation.kind == "decide":
            yield from _decision_is_logged(operation, evidence.transcripts[operation.conversation])
    for transcript in evidence.transcripts.values():
        yield from _results_fit(transcript)


def _decision_is_logged(operation: Operation, transcript: StoredTranscript) -> Iterator[Violation]:
    call, decision = operation.request["tool_call_id"], operation.request["decision"]
    logged = {event["seq"]: event for event in transcript.of_type("resolution")}
    for attempt in operation.acknowledged:
        event = logged.get(attempt.answer["seq"])
        if event is None or (event["tool_call_id"], event["decision"]) != (call, decision):
            seen = f"{decision} of {call} was acknowledged at {attempt.answer['seq']}, where the log has {event}"
            yield Violation("decision_lost", transcript.id, seen)
    for attempt in operation.attempts:
        # All people have one principal, so that the same decision of another person is the same.
        same = [e for e in logged.values() if (e["tool_call_id"], e["decision"]) == (call, decision)]
        counted = [e["seq"] for e in same if e["at"] / 1000 <= attempt.ended]
        if attempt.has_code("stale_resolution") and counted:
            seen = f"{decision} of {call} was refused as stale, but the log has it at {counted}"
            yield Violation("decision_denied", transcript.id, seen)


def _results_fit(transcript: StoredTranscript) -> Iterator[Violation]:
    results = {event["tool_call_id"]: event for event in transcript.of_type("tool_result")}
    resolutions = transcript.of_type("resolution")
    for call, times in Counter(event["tool_call_id"] for event in resolutions).items():
        if times > 1:
            yield Violation("decided_twice", transcript.id, f"{call} was decided {times} times")
    for event in resolutions:
        result = results.get(event["tool_call_id"])
        if result is not None and not _fits(event, result):
            seen = f"{event['tool_call_id']}: {event['decision']} led to {result['status']}"
            yield Violation("decision_ignored", transcript.id, seen)


def _fits(resolution: Event, result: Event) -> bool:
    return result["status"] in FITTING_RESULTS[resolution["decision"]]

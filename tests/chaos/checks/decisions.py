"""An acknowledged decision stands in the log where its receipt says, decided once, and what follows fits it."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.evidence import Event, Evidence, Transcript, Violation
from tests.chaos.history import Operation

FITTING = {
    "approve": {"ok", "unknown", "cancelled"},
    "reject": {"denied", "cancelled"},
    "respond": {"ok", "cancelled"},
}
"""What may become of a call after each decision: the work may be cancelled, or lost with its process."""


def check(evidence: Evidence) -> Iterator[Violation]:
    for operation in evidence.operations:
        if operation.kind == "decide":
            yield from _acknowledged(operation, evidence.transcripts[operation.conversation])
    for transcript in evidence.transcripts.values():
        yield from _consistent(transcript)


def _acknowledged(operation: Operation, transcript: Transcript) -> Iterator[Violation]:
    call, decision = operation.wanted["tool_call_id"], operation.wanted["decision"]
    logged = {event["seq"]: event for event in transcript.of_type("resolution")}
    for attempt in operation.acknowledged:
        event = logged.get(attempt.answer["seq"])
        if event is None or (event["tool_call_id"], event["decision"]) != (call, decision):
            seen = f"{decision} of {call} was acknowledged at {attempt.answer['seq']}, where {event} stands"
            yield Violation("decision_lost", transcript.id, seen)


def _consistent(transcript: Transcript) -> Iterator[Violation]:
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
    return result["status"] in FITTING[resolution["decision"]]

"""Every acknowledged message is in the log once, where its receipt says; a refused message is not in the log."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.chaos.evidence import Event, Evidence, Violation
from tests.chaos.history import Operation


def check(evidence: Evidence) -> Iterator[Violation]:
    logged = _by_client_id(evidence)
    for operation in evidence.operations:
        if operation.kind == "send":
            key = (operation.conversation, operation.request["client_id"])
            for name, seen in _violations(operation, logged.get(key, [])):
                yield Violation(name, operation.conversation, seen)


def _by_client_id(evidence: Evidence) -> Mapping[tuple[str, str], Sequence[Event]]:
    found: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)
    for transcript in evidence.transcripts.values():
        for event in transcript.of_type("user_msg"):
            if event["client_id"] is not None:
                found[transcript.id, event["client_id"]].append(event)
    return found


def _violations(operation: Operation, found: Sequence[Event]) -> Iterator[tuple[str, str]]:
    text = operation.request["text"]
    if len(found) > 1:
        yield "message_twice", f"{text!r} is logged at {[event['seq'] for event in found]}"
    if operation.outcome == "refused" and found:
        yield "refused_but_logged", f"{text!r} was refused, but is logged at {found[0]['seq']}"
    if operation.outcome != "ok":
        return
    if not found:
        yield "message_lost", f"{text!r} was acknowledged with {operation.acknowledged[0].answer}, but is not logged"
        return
    if any("".join(block["text"] for block in event["content"]) != text for event in found):
        yield "message_changed", f"{text!r} is logged as {found[0]['content']}"
    for attempt in operation.acknowledged:
        position = (attempt.answer["seq"], attempt.answer["turn"])
        if position not in [(event["seq"], event["turn"]) for event in found]:
            yield "receipt_wrong", f"{text!r} was acknowledged at {position}, but is logged at {found[0]['seq']}"

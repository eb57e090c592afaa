"""Every message in a log was answered, or its turn was cancelled because a client asked for it, or failed as asked."""

from collections.abc import Iterator, Mapping, Sequence

from tests.chaos.evidence import Event, Evidence, StoredTranscript, Violation
from tests.chaos.history import Operation
from tests.chaos.tasks import numbers_done, tasks_in


def check(evidence: Evidence) -> Iterator[Violation]:
    for transcript in evidence.transcripts.values():
        operations = [operation for operation in evidence.operations if operation.conversation == transcript.id]
        endings = {event["turn"]: event for event in transcript.of_type("turn_ended")}
        for message in transcript.of_type("user_msg"):
            for name, seen in _violations(transcript, message, endings, operations):
                yield Violation(name, transcript.id, f"{text_of(message)!r} at {message['seq']}: {seen}")


def _violations(
    transcript: StoredTranscript, message: Event, endings: Mapping[int, Event], operations: Sequence[Operation]
) -> Iterator[tuple[str, str]]:
    ending = endings.get(message["turn"])
    match None if ending is None else ending["outcome"]:
        case None:
            yield "message_unanswered", f"turn {message['turn']} has no end"
        case "completed":
            numbers = {task.number for task in tasks_in(text_of(message))}
            if missing := numbers - _answered(transcript, message["turn"]):
                yield "message_unanswered", f"turn {message['turn']} completed without an answer to {sorted(missing)}"
        case "cancelled" if transcript.parent is None and not any(map(_may_have_cancelled, operations)):
            yield "cancelled_by_nobody", f"turn {message['turn']} was cancelled, but no client asked for it"
        case "failed" if not _may_fail(transcript, message["turn"]):
            yield "failed_by_itself", f"turn {message['turn']} failed: {ending}"


def _answered(transcript: StoredTranscript, turn: int) -> set[int]:
    answers = (event for event in transcript.of_type("assistant_msg") if event["turn"] == turn)
    return {number for event in answers for number in numbers_done(text_of(event))}


def _may_have_cancelled(operation: Operation) -> bool:
    return operation.outcome != "refused" and (
        operation.kind == "cancel" or operation.request.get("on_busy") == "interrupt"
    )


def _may_fail(transcript: StoredTranscript, turn: int) -> bool:
    """Whether a message of the turn asked for it."""
    messages = (event for event in transcript.of_type("user_msg") if event["turn"] == turn)
    return any(task.verb == "fail" for event in messages for task in tasks_in(text_of(event)))


def text_of(event: Event) -> str:
    """The text of a message."""
    return "".join(block["text"] for block in event["content"] if block["type"] == "text")

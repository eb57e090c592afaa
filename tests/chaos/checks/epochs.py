"""Epochs never interleave, each append is announced once, and what was announced is what is logged."""

from collections.abc import Iterator, Sequence

from tests.chaos.evidence import Evidence, StoredTranscript, Violation
from tests.chaos.notices import Notice


def check(evidence: Evidence) -> Iterator[Violation]:
    for conversation, notices in evidence.notices.items():
        for name, seen in _order_violations(notices):
            yield Violation(name, conversation, seen)
        if (transcript := evidence.transcripts.get(conversation)) is not None:
            yield from _log_violations(transcript, notices)


def _order_violations(notices: Sequence[Notice]) -> Iterator[tuple[str, str]]:
    last_seq, newest, session = 0, 0, None
    for notice in notices:
        if not notice.events:
            newest = max(newest, notice.epoch)
            continue
        first = notice.events[0]["seq"]
        if notice.epoch < newest:
            yield "epochs_interleave", f"epoch {notice.epoch} wrote {first}, after epoch {newest} had claimed"
        if first <= last_seq:
            yield "seq_twice", f"epoch {notice.epoch} wrote {first}, after {last_seq} had been written"
        elif first > last_seq + 1 and notice.session == session:
            yield "append_not_announced", f"{first} follows {last_seq}"
        newest, last_seq, session = max(newest, notice.epoch), notice.events[-1]["seq"], notice.session


def _log_violations(transcript: StoredTranscript, notices: Sequence[Notice]) -> Iterator[Violation]:
    logged = {event["seq"]: event for event in transcript.log}
    for notice in notices:
        for event in notice.events:
            if logged.get(event["seq"]) != event:
                seen = f"{event} of epoch {notice.epoch} was announced, {logged.get(event['seq'])} is logged"
                yield Violation("announced_not_logged", transcript.id, seen)

"""The feed tells of each end of a turn at least once, as one entry, in order, and of nothing that is not in the log."""

from collections.abc import Iterator, Sequence

from tests.chaos.evidence import Evidence, StoredTranscript, Violation
from tests.chaos.ledger import Entry


def check(evidence: Evidence) -> Iterator[Violation]:
    if evidence.heard is None:
        return
    for transcript in evidence.transcripts.values():
        heard = [entry for entry in evidence.heard if entry.facts["conversation"] == transcript.id]
        for name, seen in _violations(transcript, heard):
            yield Violation(name, transcript.id, seen)


def _violations(transcript: StoredTranscript, heard: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    ends = {event["turn"]: event["outcome"] for event in transcript.of_type("turn_ended")}
    keys: dict[int, set[str]] = {}
    for entry in heard:
        keys.setdefault(entry.facts["turn"], set()).add(entry.facts["key"])
        if ends.get(entry.facts["turn"]) != entry.facts["outcome"]:
            yield "heard_of_nothing", f"{entry.facts} was heard, the log has {ends.get(entry.facts['turn'])}"
    if unheard := ends.keys() - keys.keys():
        yield "end_not_heard", f"no consumer heard of the end of {sorted(unheard)}"
    for turn, found in keys.items():
        if len(found) > 1:
            yield "end_told_twice", f"the end of {turn} was told as {sorted(found)}"
    if list(keys) != sorted(keys):
        yield "ends_out_of_order", f"the ends were first heard in the order {list(keys)}"

"""Nothing stays unfinished after all faults are healed: every turn has an end, and its index is empty."""

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Violation


def check(evidence: Evidence) -> Iterator[Violation]:
    for transcript in evidence.transcripts.values():
        open_turns = {event["turn"] for event in transcript.of_type("user_msg")} - {
            event["turn"] for event in transcript.of_type("turn_ended")
        }
        if open_turns:
            last = transcript.log[-1]
            yield Violation("unfinished", transcript.id, f"turns {sorted(open_turns)} have no end; {last} is last")
        elif transcript.unfinished:
            yield Violation("index_wrong", transcript.id, "it is at rest, but in the index of unfinished turns")

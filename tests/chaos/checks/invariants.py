"""The log has the invariants of every log, and the cached state is its fold."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from agents.codec import decode
from agents.turn import fsm_state
from store import Record
from tests.chaos.evidence import Evidence, StoredTranscript, Violation
from tests.support.invariants import check_log


def check(evidence: Evidence) -> Iterator[Violation]:
    for transcript in evidence.transcripts.values():
        try:
            folded = _folded(transcript)
        except (AssertionError, KeyError, LookupError, ValueError) as broken:
            yield Violation("law_broken", transcript.id, str(broken))
            continue
        if transcript.last_seq != len(transcript.log):
            seen = f"last_seq is {transcript.last_seq}, {len(transcript.log)} events are logged"
            yield Violation("law_broken", transcript.id, seen)
        if transcript.log and transcript.state != folded:
            yield Violation("state_wrong", transcript.id, f"{transcript.state} is cached, but {folded} is the fold")


def _folded(transcript: StoredTranscript) -> Mapping[str, Any]:
    """The fsm_state of the log, in the form in which it is cached."""
    log = [decode(Record(event["seq"], orjson.dumps(event))) for event in transcript.log]
    state: Mapping[str, Any] = orjson.loads(orjson.dumps(fsm_state(check_log(log))))
    return state

"""The pauses of running turns: the time between two events of a turn that does not wait for people."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import orjson

from agents.codec import decode
from agents.turn import Facts, State, apply
from store import Record
from tests.chaos.evidence import Evidence, StoredTranscript

RESTING = frozenset({State.IDLE, State.AWAITING_INPUT})


@dataclass(frozen=True, slots=True)
class Pause:
    """The time after the event at `seq` until the next one; `begun` is in seconds since the epoch."""

    conversation: str
    seq: int
    begun: float
    seconds: float


def longest_pause(evidence: Evidence) -> Pause | None:
    """The longest pause, including the time that models and tools need; None if no turn ran."""
    found = (pause for transcript in evidence.transcripts.values() for pause in _pauses(transcript))
    return max(found, key=lambda pause: pause.seconds, default=None)


def _pauses(transcript: StoredTranscript) -> Iterator[Pause]:
    facts = Facts()
    log = [decode(Record(event["seq"], orjson.dumps(event))) for event in transcript.log]
    for before, after in pairwise(log):
        facts = apply(facts, before.event, before.seq)
        if facts.phase not in RESTING:
            yield Pause(transcript.id, before.seq, before.at / 1000, (after.at - before.at) / 1000)

"""The pauses of running turns: the time between two events of a turn that does not wait for people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import orjson

from agents.codec import decode
from agents.turn import Facts, State, apply
from store import Record
from tests.chaos.evidence import Evidence, StoredTranscript
from tests.chaos.nemesis import InjectedFault

REDIS_AWAY = frozenset({"kill Redis", "stop Redis"})
KEEPING = ("stop a", "cut off a process")
"""How the names of faults begin that hit one process, or all of a node, and let it live."""
RESTING = frozenset({State.IDLE, State.AWAITING_INPUT})


@dataclass(frozen=True, slots=True)
class Pause:
    """The time after the event at `seq` until the next one; `begun` is in seconds since the epoch."""

    conversation: str
    seq: int
    begun: float
    seconds: float

    @property
    def ended(self) -> float:
        return self.begun + self.seconds


@dataclass(frozen=True, slots=True)
class ExplainedPause:
    """A pause with the actor that had the turn, if it is known, and the seconds for which a fault held the turn.

    Such a fault stops or cuts off the living process of the turn, which keeps it, or takes Redis from all processes.
    `other_seconds` are the system's: to notice, to go on elsewhere, to come back after the fault; and work.
    """

    pause: Pause
    place: str | None
    fault_seconds: float

    @property
    def other_seconds(self) -> float:
        return self.pause.seconds - self.fault_seconds


def longest_pause(evidence: Evidence) -> Pause | None:
    """The longest pause, including the time that models and tools need; None if no turn ran."""
    found = (pause for transcript in evidence.transcripts.values() for pause in _pauses(transcript))
    return max(found, key=lambda pause: pause.seconds, default=None)


def explain(evidence: Evidence, injected: Sequence[InjectedFault]) -> list[ExplainedPause]:
    """All pauses, those with the most `other_seconds` first."""
    writers, places = _writers(evidence), _places(evidence)
    found = []
    for transcript in evidence.transcripts.values():
        for pause in _pauses(transcript):
            place = places.get((pause.conversation, writers.get((pause.conversation, pause.seq))))
            found.append(ExplainedPause(pause, place, _overlap(pause, [hit for hit in injected if _keeps(hit, place)])))
    return sorted(found, key=lambda explained: explained.other_seconds, reverse=True)


def _keeps(hit: InjectedFault, place: str | None) -> bool:
    """Whether this fault kept the turns of that actor from going on as long as it lasted."""
    if hit.kind in REDIS_AWAY or (hit.kind == "cut the line to Redis" and hit.target == "away"):
        return True
    return hit.kind.startswith(KEEPING) and place is not None and place in hit.target.split()


def _overlap(pause: Pause, hits: Sequence[InjectedFault]) -> float:
    """The seconds of the pause in which at least one of the faults lasted."""
    seconds, until = 0.0, pause.begun
    for hit in sorted(hits, key=lambda hit: hit.begun):
        begun, ended = max(hit.begun, until), min(hit.healed, pause.ended)
        if ended > begun:
            seconds, until = seconds + ended - begun, ended
    return seconds


def _writers(evidence: Evidence) -> dict[tuple[str, int], int]:
    """The epoch in which each event was written, by conversation and seq."""
    return {
        (conversation, event["seq"]): notice.epoch
        for conversation, notices in evidence.notices.items()
        for notice in notices
        for event in notice.events
    }


def _places(evidence: Evidence) -> dict[tuple[str, int | None], str]:
    """The actor of each epoch, as far as it is known."""
    return {
        (conversation, notice.epoch): notice.place
        for conversation, notices in evidence.notices.items()
        for notice in notices
        if notice.place is not None
    }


def takeovers(evidence: Evidence) -> list[Pause]:
    """The pauses that another incarnation ended: from the last event of the one before to the first one of its own."""
    writers = _writers(evidence)

    def is_takeover(pause: Pause) -> bool:
        before, after = (writers.get((pause.conversation, seq)) for seq in (pause.seq, pause.seq + 1))
        return before is not None and after is not None and before != after

    return [
        pause for transcript in evidence.transcripts.values() for pause in _pauses(transcript) if is_takeover(pause)
    ]


def _pauses(transcript: StoredTranscript) -> Iterator[Pause]:
    facts = Facts()
    log = [decode(Record(event["seq"], orjson.dumps(event))) for event in transcript.log]
    for before, after in pairwise(log):
        facts = apply(facts, before.event, before.seq)
        if facts.phase not in RESTING:
            yield Pause(transcript.id, before.seq, before.at / 1000, (after.at - before.at) / 1000)

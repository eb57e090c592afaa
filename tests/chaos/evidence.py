"""All that is known when a run is over, as values: the checks are functions of this and of nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.history import Operation
from tests.chaos.ledger import Entry
from tests.chaos.notices import Notice
from tests.chaos.sightings import Watched

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Transcript:
    """A conversation as the store has it at the end; `log` are wire objects, `state` is the cached fsm_state."""

    id: str
    log: Sequence[Event]
    last_seq: int
    state: Mapping[str, Any] | None
    unfinished: bool
    parent: str | None = None

    def of_type(self, *types: str) -> list[Event]:
        return [event for event in self.log if event["type"] in types]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What people did, what is in the store, what really happened outside, and what was said to those who listened."""

    operations: Sequence[Operation]
    transcripts: Mapping[str, Transcript]
    entries: Sequence[Entry]
    notices: Mapping[str, Sequence[Notice]] = field(default_factory=dict)
    watched: Sequence[Watched] = ()


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise: its stable name, the conversation, and what was seen."""

    law: str
    conversation: str
    seen: str

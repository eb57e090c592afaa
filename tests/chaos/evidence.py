"""What is known at the end of a run, as values: the checks are functions of this alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.history import Operation
from tests.chaos.ledger import Entry
from tests.chaos.notices import Notice
from tests.chaos.watcher_record import WatcherRecord

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredTranscript:
    """A conversation as the store has it at the end; `log` has wire objects, `state` is the cached fsm_state."""

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
    """What people did, what the store has, what tools and models did, and what watchers and listeners received.

    `heard` is what the consumer of the feed has noted; None if that is not known.
    """

    operations: Sequence[Operation]
    transcripts: Mapping[str, StoredTranscript]
    entries: Sequence[Entry]
    notices: Mapping[str, Sequence[Notice]] = field(default_factory=dict)
    watchers: Sequence[WatcherRecord] = ()
    heard: Sequence[Entry] | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise: its stable name, the conversation, and the details."""

    name: str
    conversation: str
    seen: str

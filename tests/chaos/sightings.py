"""What one watcher of a conversation saw, connection by connection, and how that folds into rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Event = Mapping[str, Any]


@dataclass(slots=True)
class Connection:
    """One event stream: the seq it resumed from (0: a tab that knows nothing), and all that came."""

    after: int
    events: list[Event] = field(default_factory=list)


@dataclass(slots=True)
class Watched:
    """A watcher's life; `kind` is `stayed`, `hopped` or `fresh`."""

    kind: str
    conversation: str
    connections: list[Connection] = field(default_factory=list)
    last_seq: int = 0

    def connect(self, after: int) -> Connection:
        """Another stream, which resumes behind `after`."""
        self.last_seq = after
        self.connections.append(Connection(after))
        return self.connections[-1]

    def take(self, event: Event) -> None:
        """The next event of the newest stream."""
        self.connections[-1].events.append(event)
        if is_logged(event):
            self.last_seq = event["seq"]

    def rows(self) -> dict[int, Event]:
        """The logged events by seq, as a page holds them; one that is loaded anew starts from nothing."""
        rows: dict[int, Event] = {}
        for connection in self.connections:
            if connection.after == 0:
                rows = {}
            rows.update((event["seq"], event) for event in connection.events if is_logged(event))
        return rows


def is_logged(event: Event) -> bool:
    """Whether the event is one of the log's, and no passing word."""
    return "v" in event

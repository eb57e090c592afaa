"""What one watcher of a conversation received, stream by stream, and the rows that result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Event = Mapping[str, Any]


@dataclass(slots=True)
class EventStream:
    """One event stream: the seq after which it began (0: from the beginning), and its events."""

    after: int
    events: list[Event] = field(default_factory=list)


@dataclass(slots=True)
class WatcherRecord:
    """All streams of one watcher; `kind` is `steady`, `reconnecting` or `fresh`."""

    kind: str
    conversation: str
    streams: list[EventStream] = field(default_factory=list)
    last_seq: int = 0

    def open_stream(self, after: int) -> EventStream:
        """Begin another stream, with the events after the seq `after`."""
        self.last_seq = after
        self.streams.append(EventStream(after))
        return self.streams[-1]

    def add(self, event: Event) -> None:
        """Add an event to the newest stream."""
        self.streams[-1].events.append(event)
        if is_logged(event):
            self.last_seq = event["seq"]

    def rows(self) -> dict[int, Event]:
        """The logged events by seq, as a page has them; a stream from the beginning is a reload of the page."""
        rows: dict[int, Event] = {}
        for stream in self.streams:
            if stream.after == 0:
                rows = {}
            rows.update((event["seq"], event) for event in stream.events if is_logged(event))
        return rows


def is_logged(event: Event) -> bool:
    """Whether the event is a logged one, and not a live one."""
    return "v" in event

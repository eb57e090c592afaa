"""What one watcher has seen of a conversation: drops what it knows already, and says when it has missed something.

This is the rule of "snapshot, then tail" as a value without I/O: canonical events are keyed by seq, deltas by message
id and position, live events by the epoch of the incarnation that sent them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

WireEvent = Mapping[str, Any]
"""An event as it is on the wire; a canonical one has the fields `seq` and `v`."""

DELTAS = {"text_delta": "text", "thinking_delta": "thinking"}


class SequenceGap(Exception):
    """Something between the last event and this one never arrived: take a snapshot."""


@dataclass(slots=True)
class WatcherState:
    """`last_seq` is the newest canonical event shown; `epoch` the newest incarnation heard of.

    `ended_turn` is the newest turn that is over, `completed` the messages since: deltas of those come too late.
    """

    last_seq: int = 0
    epoch: int = 0
    message_id: str | None = None
    positions: dict[str, int] = field(default_factory=dict)
    ended_turn: int = 0
    completed: set[str] = field(default_factory=set)

    def accept(self, payload: Mapping[str, Any]) -> Iterator[WireEvent]:
        """The events of one broadcast that are news to this watcher. Raises `SequenceGap`."""
        epoch = payload["epoch"]
        self.epoch = max(self.epoch, epoch)
        for event in payload["events"]:
            if "seq" in event and "v" in event:
                yield from self.accept_canonical(event)
            elif epoch < self.epoch:
                continue  # live events of a fenced incarnation are dropped
            elif event["type"] in DELTAS:
                yield from self._accept_delta(event)
            else:
                yield event

    def accept_canonical(self, event: WireEvent) -> Iterator[WireEvent]:
        """A logged event, if it is the next one. Raises `SequenceGap`."""
        if event["seq"] <= self.last_seq:
            return
        if event["seq"] > self.last_seq + 1:
            raise SequenceGap
        self.last_seq = event["seq"]
        if event["type"] == "assistant_msg":
            self.completed.add(event["message_id"])
        elif event["type"] == "turn_ended":
            self.ended_turn = event["turn"]
            self.completed.clear()
        yield event

    def accept_streaming(self, conversation_id: str, message: Mapping[str, Any]) -> Iterator[WireEvent]:
        """The message now streaming as deltas from its beginning; from here on the tail continues it."""
        if self._is_late(message):
            return
        self.message_id = message["message_id"]
        self.positions = {"text": len(message["text"]), "thinking": len(message["thinking"])}
        for kind, part in (("thinking_delta", "thinking"), ("text_delta", "text")):
            if message[part]:
                yield {
                    "type": kind,
                    "conversation_id": conversation_id,
                    "turn": message["turn"],
                    "message_id": message["message_id"],
                    "index": 0,
                    "next": len(message[part]),
                    "text": message[part],
                }

    def _accept_delta(self, event: WireEvent) -> Iterator[WireEvent]:
        if self._is_late(event):
            return
        if event["message_id"] != self.message_id:
            self.message_id = event["message_id"]
            self.positions = {"text": 0, "thinking": 0}
        part = DELTAS[event["type"]]
        seen = self.positions[part]
        if event["next"] <= seen:
            return
        if event["index"] > seen:
            raise SequenceGap
        self.positions[part] = event["next"]
        unseen = event["text"][seen - event["index"] :]
        yield {**event, "index": seen, "text": unseen}

    def _is_late(self, event: Mapping[str, Any]) -> bool:
        return event["turn"] <= self.ended_turn or event["message_id"] in self.completed

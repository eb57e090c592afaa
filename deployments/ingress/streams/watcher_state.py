"""What one watcher has seen of a conversation: drops what it knows already, and says when it has missed something.

This is the rule of "snapshot, then tail" as a value without I/O: canonical events are keyed by seq, deltas by message
id and position, live events by the epoch of the incarnation that sent them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Event = Mapping[str, Any]

DELTAS = {"text_delta": "text", "thinking_delta": "thinking"}


class Gap(Exception):
    """Something between the last event and this one never arrived: take a snapshot."""


@dataclass(slots=True)
class WatcherState:
    """`last_seq` is the newest canonical event shown; `epoch` the newest incarnation heard of.

    `ended` is the newest turn that is over, `completed` the messages since: what is said of them comes late.
    """

    last_seq: int = 0
    epoch: int = 0
    message_id: str | None = None
    positions: dict[str, int] = field(default_factory=dict)
    ended: int = 0
    completed: set[str] = field(default_factory=set)

    def accept(self, payload: Mapping[str, Any]) -> Iterator[Event]:
        """The events of one broadcast that are news to this watcher. Raises `Gap`."""
        epoch = payload["epoch"]
        self.epoch = max(self.epoch, epoch)
        for event in payload["events"]:
            if "seq" in event and "v" in event:
                yield from self.canonical(event)
            elif epoch < self.epoch:
                continue  # a fenced incarnation says nothing to watchers
            elif event["type"] in DELTAS:
                yield from self._delta(event)
            else:
                yield event

    def canonical(self, event: Event) -> Iterator[Event]:
        """A logged event, if it is the next one."""
        if event["seq"] <= self.last_seq:
            return
        if event["seq"] > self.last_seq + 1:
            raise Gap
        self.last_seq = event["seq"]
        if event["type"] == "assistant_msg":
            self.completed.add(event["message_id"])
        elif event["type"] == "turn_ended":
            self.ended = event["turn"]
            self.completed.clear()
        yield event

    def streaming(self, conversation_id: str, answer: Mapping[str, Any]) -> Iterator[Event]:
        """The answer under way as deltas from its beginning, and note how far it has come."""
        if self._is_late(answer):
            return
        self.message_id = answer["message_id"]
        self.positions = {"text": len(answer["text"]), "thinking": len(answer["thinking"])}
        for kind, field_name in (("thinking_delta", "thinking"), ("text_delta", "text")):
            if answer[field_name]:
                yield {
                    "type": kind,
                    "conversation_id": conversation_id,
                    "turn": answer["turn"],
                    "message_id": answer["message_id"],
                    "index": 0,
                    "next": len(answer[field_name]),
                    "text": answer[field_name],
                }

    def _delta(self, event: Event) -> Iterator[Event]:
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
            raise Gap
        self.positions[part] = event["next"]
        unseen = event["text"][seen - event["index"] :]
        yield {**event, "index": seen, "text": unseen}

    def _is_late(self, said: Mapping[str, Any]) -> bool:
        return said["turn"] <= self.ended or said["message_id"] in self.completed

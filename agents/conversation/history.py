"""What has been logged of a conversation, with the two look-ups that later inputs are compared with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agents.turn import Event, Logged
from agents.turn.events import ToolCall, UserMsg


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an accepted input became: the seq of its first event, and the turn; `duplicate` if it was known."""

    seq: int
    turn: int
    duplicate: bool = False


class History:
    """The log in memory, in order; `tool_call_ids` are all that were ever given out."""

    def __init__(self, logged: Iterable[Logged]) -> None:
        self.logged: list[Logged] = []
        self.tool_call_ids: set[str] = set()
        self._receipts: dict[str, Receipt] = {}
        self.extend(logged)

    @property
    def events(self) -> Sequence[Event]:
        return [entry.event for entry in self.logged]

    def extend(self, logged: Iterable[Logged]) -> None:
        """Take note of what has just become durable."""
        for entry in logged:
            self.logged.append(entry)
            if isinstance(entry.event, ToolCall):
                self.tool_call_ids.add(entry.event.tool_call_id)
            elif isinstance(entry.event, UserMsg) and entry.event.client_id:
                self._receipts[entry.event.client_id] = Receipt(entry.seq, entry.event.turn, duplicate=True)

    def receipt(self, client_id: str | None) -> Receipt | None:
        """How the message with this client id was answered, if it was ever sent."""
        return None if client_id is None else self._receipts.get(client_id)

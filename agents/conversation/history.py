"""The working set: what has been logged behind the last summary, with the look-ups that inputs are compared with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agents.receipt import Receipt
from agents.turn import Event, Facts, Logged
from agents.turn.events import Summary, ToolCall, UserMsg
from agents.turn.facts import apply


@dataclass(frozen=True, slots=True)
class Rest:
    """A point of the log, behind the end of `turn`, at which nothing was under way: a summary may reach up to it."""

    turn: int
    seq: int
    facts: Facts


class History:
    """The log in memory, in order, from the last summary on; `tool_call_ids` are those given out since.

    `partial`: there are older events, which only the store knows.
    """

    def __init__(self, base: Facts, summary: Summary | None = None, logged: Iterable[Logged] = ()) -> None:
        self.logged: list[Logged] = []
        self.rests: list[Rest] = []
        self.tool_call_ids: set[str] = set()
        self.summary = summary
        self.facts = base
        self._receipts: dict[str, Receipt] = {}
        for entry in logged:
            self.extend([entry], apply(self.facts, entry.event, entry.seq))

    @property
    def partial(self) -> bool:
        return self.summary is not None

    @property
    def events(self) -> Sequence[Event]:
        return [entry.event for entry in self.logged]

    def extend(self, logged: Sequence[Logged], facts: Facts) -> None:
        """Take note of what has just become durable, and of the `facts` behind it."""
        self.logged += logged
        self._index(logged)
        if not facts.running and not facts.queued and facts.turn > self._newest_rest():
            self.rests.append(Rest(facts.turn, facts.last_seq, facts))
        self.facts = facts
        for entry in logged:
            if isinstance(entry.event, Summary):
                self._forget(entry.event)

    def receipt(self, client_id: str | None) -> Receipt | None:
        """How the message with this client id was answered, if it is in the working set."""
        return None if client_id is None else self._receipts.get(client_id)

    def _forget(self, summary: Summary) -> None:
        """Let go of what the summary stands for; the store keeps it."""
        if self.summary is not None and self.summary.after >= summary.after:
            return
        self.summary = summary
        self.logged = [entry for entry in self.logged if entry.seq > summary.after]
        self.rests = [rest for rest in self.rests if rest.seq > summary.after]
        self.tool_call_ids.clear()
        self._receipts.clear()
        self._index(self.logged)

    def _index(self, logged: Iterable[Logged]) -> None:
        for entry in logged:
            if isinstance(entry.event, ToolCall):
                self.tool_call_ids.add(entry.event.tool_call_id)
            elif isinstance(entry.event, UserMsg) and entry.event.client_id:
                self._receipts[entry.event.client_id] = Receipt(entry.seq, entry.event.turn, duplicate=True)

    def _newest_rest(self) -> int:
        if self.rests:
            return self.rests[-1].turn
        return self.summary.through_turn if self.summary else 0

"""What a store tells of its own work, to what counts it: a port, which does nothing by default."""

from typing import Literal, Protocol

AppendOutcome = Literal["written", "fenced", "conflict", "duplicate", "gone", "unavailable"]
Trouble = Literal["retried", "gave_up", "demoted", "listener_lost"]


class StoreObserver(Protocol):
    """Every method returns at once, and never raises."""

    def note_append(self, outcome: AppendOutcome, seconds: float) -> None:
        """An append to a log has ended so long after it was asked for."""

    def note_fenced(self) -> None:
        """A writer was told that a newer one has claimed its log."""

    def note_trouble(self, kind: Trouble) -> None:
        """A call of Redis was not answered as it should be, or the connection of the subscriptions was lost."""


class NoObserver:
    """For a store whose work is not counted."""

    def note_append(self, outcome: AppendOutcome, seconds: float) -> None: ...

    def note_fenced(self) -> None: ...

    def note_trouble(self, kind: Trouble) -> None: ...

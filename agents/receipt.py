"""What the sender of an accepted input is told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an accepted input became: the seq of its first event, and the turn; `duplicate` if it was known."""

    seq: int
    turn: int
    duplicate: bool = False

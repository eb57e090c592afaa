"""The answer to an accepted message, resolution or cancel."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Receipt:
    """The seq of its first event, and its turn; `duplicate` when it had been accepted before."""

    seq: int
    turn: int
    duplicate: bool = False

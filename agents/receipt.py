"""The answer to an accepted message, resolution or cancel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.turn.inputs import restore_fields


@dataclass(frozen=True, slots=True)
class Receipt:
    """The seq of its event, and its turn; `duplicate` when it had been accepted before.

    `steered`: it is a message for a turn that had begun before.
    """

    seq: int
    turn: int
    duplicate: bool = False
    steered: bool = False

    def __setstate__(self, state: Sequence[Any]) -> None:
        restore_fields(self, state)

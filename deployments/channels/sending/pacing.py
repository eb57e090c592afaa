"""How fast bubbles follow one another: as a person types, the same for each try, and never for long."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """Characters a second, and seconds between a bubble and the next one's typing: each in a range, by the guid.

    `longest` bounds the typing of one bubble (seconds): a long text is read for longer than it is waited for.
    """

    characters: tuple[float, float] = (6.0, 9.0)
    gap: tuple[float, float] = (0.2, 0.6)
    longest: float = 8.0

    def due_at(self, guid: str, characters: int, began_at: int) -> int:
        """When (ms) the bubble is to be sent, if the one before it was sent, or the work on it began, at `began_at`."""
        gap_share, rate_share = _shares(guid)
        gap, rate = _between(self.gap, gap_share), _between(self.characters, rate_share)
        return began_at + round(1000 * (gap + min(characters / rate, self.longest)))


AT_ONCE = Pacing(gap=(0.0, 0.0), longest=0.0)
"""For channels that are read by programs."""


def _between(bounds: tuple[float, float], share: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * share


def _shares(guid: str) -> tuple[float, float]:
    """Two numbers from 0 to 1 that follow from the guid alone."""
    digest = hashlib.sha256(guid.encode()).digest()
    return int.from_bytes(digest[:4]) / 0xFFFFFFFF, int.from_bytes(digest[4:8]) / 0xFFFFFFFF

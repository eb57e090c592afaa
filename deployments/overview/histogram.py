"""Durations counted in fixed buckets, so that the counts of any number of processes can be added up."""

import math
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

PER_OCTAVE: Final = 8
"""How many buckets there are from a duration to twice that."""
MAX_BUCKET: Final = 22 * PER_OCTAVE + 1
"""The bucket of everything beyond 2 ** 22 ms, which is 70 minutes: what is read from it is a lower bound."""
MAX_ERROR: Final = 2 ** (1 / (2 * PER_OCTAVE)) - 1
"""How far a quantile is from that of the durations themselves at most, as a share of it: 4.4 %."""

Buckets = Mapping[int, int]
"""How many durations each bucket has counted; empty ones are left out.

Bucket 0 has those of a millisecond at most, bucket n those above 2 ** ((n - 1) / 8) ms, up to 2 ** (n / 8) ms.
"""


def bucket_of(milliseconds: float) -> int:
    """The bucket that counts this duration. A negative one, of a clock that was set back, counts as none at all."""
    if milliseconds <= 1:
        return 0
    return min(MAX_BUCKET, math.ceil(PER_OCTAVE * math.log2(milliseconds)))


def quantile(buckets: Buckets, share: float) -> float | None:
    """The duration (ms) that this share of all does not exceed, by the nearest rank; None if there are none.

    It is within `MAX_ERROR` of the true one, which lies in the same bucket: from 1 ms up to 70 minutes.
    """
    filled = sorted(bucket for bucket, count in buckets.items() if count > 0)
    counts = list(accumulate(buckets[bucket] for bucket in filled))
    if not counts:
        return None
    rank = max(1, math.ceil(share * counts[-1]))
    return _middle(next(bucket for bucket, count in zip(filled, counts, strict=True) if count >= rank))


def _middle(bucket: int) -> float:
    """The geometric mean of the bounds: as far from the one as from the other."""
    if bucket in (0, MAX_BUCKET):
        return float(2 ** (max(0, bucket - 1) / PER_OCTAVE))
    return float(2 ** ((bucket - 0.5) / PER_OCTAVE))

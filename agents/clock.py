"""The wall clock, in milliseconds: the unit of every time in this project."""

import time


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000

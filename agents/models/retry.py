"""Whether a failed model call is tried again, and after which pause."""

import random
from dataclasses import dataclass

from agents.errors import ModelError

TRANSIENT_REASONS = frozenset({"rate_limited", "overloaded", "unavailable", "stream_broken", "timeout"})
"""The reasons of failures that pass by themselves."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential pauses with jitter, in seconds; a Retry-After of the provider has precedence, up to `max_pause`."""

    max_retries: int = 2
    first_pause: float = 0.5
    max_pause: float = 30.0

    def pause(self, failure: ModelError, retries_taken: int) -> float | None:
        """Seconds to wait before the next attempt; None when the failure is final."""
        if failure.reason not in TRANSIENT_REASONS or retries_taken >= self.max_retries:
            return None
        if failure.retry_after is not None:
            # When the provider demands minutes, the turn fails now instead of standing still.
            return failure.retry_after if failure.retry_after <= self.max_pause else None
        return self.after(retries_taken)

    def after(self, retries_taken: int) -> float | None:
        """The same for a failure of which nothing is known but that it may pass."""
        if retries_taken >= self.max_retries:
            return None
        ceiling = min(self.first_pause * 2.0**retries_taken, self.max_pause)
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing

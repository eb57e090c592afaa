"""What one replica holds at once: open streams, messages on their way, bytes of bodies and of responses."""

from collections.abc import Iterator
from contextlib import contextmanager

from deployments.ingress.problems import Problem
from deployments.settings import Settings

FULL = "This replica has as much to do as it can; try again."


class CapacityLimiter:
    """Counts what is in use, up to a bound; `code` is the problem that a request beyond it gets."""

    def __init__(self, capacity: int, code: str) -> None:
        self._capacity = capacity
        self._code = code
        self.in_use = 0

    def acquire(self, amount: int = 1) -> None:
        """Raises `Problem` if that is more than there is room for."""
        if self.in_use + amount > self._capacity:
            raise Problem(self._code, FULL)
        self.in_use += amount

    def release(self, amount: int = 1) -> None:
        self.in_use -= amount

    @contextmanager
    def hold(self, amount: int = 1) -> Iterator[None]:
        """Hold so much while the block runs. Raises `Problem`."""
        self.acquire(amount)
        try:
            yield
        finally:
            self.release(amount)


class ReplicaLimits:
    """One per replica. Everything that requests add to is bounded, and so the replica's memory is."""

    def __init__(self, settings: Settings) -> None:
        self.streams = CapacityLimiter(settings.replica_streams, "too_many_streams")
        self.messages = CapacityLimiter(settings.replica_messages, "overloaded")
        self.body_bytes = CapacityLimiter(settings.replica_body_bytes, "overloaded")
        self.response_bytes = CapacityLimiter(settings.replica_answer_bytes, "overloaded")

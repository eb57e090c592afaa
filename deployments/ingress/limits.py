"""What one replica holds at once: open streams, messages on their way, bytes of bodies and answers; more gets 503."""

from collections.abc import Iterator
from contextlib import contextmanager

from deployments.ingress.problems import Problem
from deployments.settings import Settings

FULL = "This replica has as much to do as it can; try again."


class CapacityLimiter:
    """Counts up to a bound."""

    def __init__(self, most: int, code: str) -> None:
        self._most = most
        self._code = code
        self.held = 0

    def take(self, amount: int = 1) -> None:
        """Raises `Problem` if that is more than there is room for."""
        if self.held + amount > self._most:
            raise Problem(self._code, FULL)
        self.held += amount

    def give_back(self, amount: int = 1) -> None:
        self.held -= amount

    @contextmanager
    def hold(self, amount: int = 1) -> Iterator[None]:
        """Hold so much while the block runs."""
        self.take(amount)
        try:
            yield
        finally:
            self.give_back(amount)


class ReplicaLimits:
    """One per replica. Every bound is a number of things that a request may add to, so memory has one as well."""

    def __init__(self, settings: Settings) -> None:
        self.streams = CapacityLimiter(settings.replica_streams, "too_many_streams")
        self.messages = CapacityLimiter(settings.replica_messages, "overloaded")
        self.body_bytes = CapacityLimiter(settings.replica_body_bytes, "overloaded")
        self.answer_bytes = CapacityLimiter(settings.replica_answer_bytes, "overloaded")

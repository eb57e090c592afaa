"""Paces the reading of an answer: while its next piece would wait to be sent to watchers, it need not be read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


def _no_delay() -> float:
    return 0.0


_COALESCING_DELAY: ContextVar[Callable[[], float]] = ContextVar("coalescing_delay", default=_no_delay)


def coalescing_delay() -> float:
    """Seconds for which the next piece of the answer need not be read; a model may ask between two pieces."""
    return _COALESCING_DELAY.get()()


@contextmanager
def pace_reading(delay: Callable[[], float]) -> Iterator[None]:
    """Models that are read inside the body get `delay()` as their `coalescing_delay`."""
    token = _COALESCING_DELAY.set(delay)
    try:
        yield
    finally:
        _COALESCING_DELAY.reset(token)

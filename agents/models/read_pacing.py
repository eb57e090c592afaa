"""How eagerly an answer is read: what nobody could see earlier need not be read earlier."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


def _nothing_to_spare() -> float:
    return 0.0


_COALESCING_DELAY: ContextVar[Callable[[], float]] = ContextVar("coalescing_delay", default=_nothing_to_spare)


def coalescing_delay() -> float:
    """Seconds for which nothing more of the answer need be read; a model may ask between two pieces of it."""
    return _COALESCING_DELAY.get()()


@contextmanager
def pace_reading(coalescing_delay: Callable[[], float]) -> Iterator[None]:
    """Whatever model is read inside asks `coalescing_delay`."""
    token = _COALESCING_DELAY.set(coalescing_delay)
    try:
        yield
    finally:
        _COALESCING_DELAY.reset(token)

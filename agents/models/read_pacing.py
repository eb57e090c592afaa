"""How eagerly an answer is read: what nobody could see earlier need not be read earlier."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


def _nothing_to_spare() -> float:
    return 0.0


_SLACK: ContextVar[Callable[[], float]] = ContextVar("slack", default=_nothing_to_spare)


def slack() -> float:
    """Seconds for which nothing more of the answer need be read; a model may ask between two pieces of it."""
    return _SLACK.get()()


@contextmanager
def reading_with(slack: Callable[[], float]) -> Iterator[None]:
    """Whatever model is read inside asks `slack`."""
    token = _SLACK.set(slack)
    try:
        yield
    finally:
        _SLACK.reset(token)

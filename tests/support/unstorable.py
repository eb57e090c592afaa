"""Values that the log cannot hold, and a middleware to bring them in."""

from collections.abc import Callable
from typing import Any

import pytest

from agents.middleware.pipeline.middleware import Middleware
from agents.storable import MAX_LEVELS


def nested(levels: int, innermost: object = 1) -> Any:
    """A list in a list, so many times."""
    value = innermost
    for _ in range(levels):
        value = [value]
    return value


UNSTORABLE: dict[str, tuple[Any, str]] = {
    "set": ({1}, "type is not JSON serializable: set"),
    "bytes": (b"x", "type is not JSON serializable: bytes"),
    "number as key": ({1: "one"}, "dict key must be str"),
    "large number": (2**70, "integer exceeds 64-bit range"),
    "half surrogate": ("\ud83d", "str is not valid UTF-8: surrogates not allowed"),
    "deep": (nested(300), f"it nests more than {MAX_LEVELS} levels deep"),
}
each_value = pytest.mark.parametrize(("value", "problem"), UNSTORABLE.values(), ids=UNSTORABLE)


def stopped_by(callback: str, body: Callable[..., Any]) -> Middleware:
    """A middleware called Culprit with this callback."""
    return type("Culprit", (Middleware,), {callback: body})()

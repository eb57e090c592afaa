"""Reads Python sources as syntax trees, whatever other threads do at that moment."""

import ast
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

MAX_ATTEMPTS: Final = 10


def parse_module(source: str | bytes) -> ast.Module:
    """The tree of a module. Raises SyntaxError, ValueError, RecursionError, MemoryError."""
    return _undisturbed(lambda: ast.parse(source))


def parse_expression(source: str) -> ast.expr:
    """The tree of an expression; raises as `parse_module`."""
    return _undisturbed(lambda: ast.parse(source, mode="eval")).body


def _undisturbed(parse: Callable[[], T]) -> T:
    """Python before 3.13 counts the depth of a tree that it builds in one place for all threads.

    If another tree is built in between, it raises SystemError (python/cpython#106905); the next time it goes well.
    """
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return parse()
        except SystemError:
            continue
    return parse()

"""A source is read although another tree is built in the middle of it."""

import ast
import gc
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from agents.syntax import parse_module

SOURCE = "\n".join(f"value_{number} = f({number}, [x for x in y])" for number in range(200))


@pytest.fixture
def disturbed() -> Iterator[list[str]]:
    """Has another tree built in the middle of the next one, as a thread does; the phases in which that happened."""
    seen: list[str] = []

    def disturb(phase: str, _: dict[str, Any]) -> None:
        if not seen and sys._getframe(1).f_code is ast.parse.__code__:
            seen.append(phase)
            ast.parse("x = 1")

    before = gc.get_threshold()
    gc.callbacks.append(disturb)
    gc.set_threshold(100)
    yield seen
    gc.set_threshold(*before)
    gc.callbacks.remove(disturb)


def test_a_source_is_read_in_spite_of_another_tree(disturbed: list[str]) -> None:
    assert ast.dump(parse_module(SOURCE)).count("ListComp") == 200
    assert disturbed


@pytest.mark.parametrize("source", ["x =", b"\xff", "a\0b"])
def test_what_is_no_source_is_said(source: str | bytes) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        parse_module(source)

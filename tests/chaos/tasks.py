"""The tasks that people give the clerk: numbered, and spelled in the message, so that the expected result is known."""

import re
from typing import Literal, NamedTuple, get_args

Verb = Literal["greet", "tell", "deposit", "stamp", "sign", "ask", "delegate", "heap", "fail"]
VERBS: tuple[Verb, ...] = get_args(Verb)

TOOLS: dict[Verb, tuple[str, ...]] = {
    "deposit": ("deposit",),
    "stamp": ("stamp",),
    "sign": ("sign",),
    "ask": ("ask",),
    "delegate": ("task",),
    "heap": ("deposit", "stamp", "sign"),
}
"""The tools that a task needs; other tasks need only an answer."""

REPEATABLE = frozenset({"deposit", "sign"})
"""Tools whose lost call is repeated with its id; a lost call of `stamp` is reported instead."""
NEEDING_APPROVAL = frozenset({"sign"})

_TASK = re.compile(rf"#(\d+) ({'|'.join(VERBS)})")
_DONE = re.compile(r"done #(\d+)")


class Task(NamedTuple):
    """One thing to do; `number` is unique in a run."""

    number: int
    verb: Verb

    def __str__(self) -> str:
        return f"#{self.number} {self.verb}"


def tasks_in(text: str) -> list[Task]:
    """The tasks in a message."""
    return [Task(int(number), verb) for number, verb in _TASK.findall(text)]  # type: ignore[arg-type]


def done(number: int) -> str:
    """How an answer names a task that is done."""
    return f"done #{number}"


def numbers_done(text: str) -> set[int]:
    """The numbers of the tasks that an answer names."""
    return {int(number) for number in _DONE.findall(text)}

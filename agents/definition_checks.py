"""What the fields of a definition must be: each check yields its mistakes, in sentences for the author."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from agents.errors import MiddlewareDefinitionError
from agents.ray_options import is_number
from agents.storable import storage_problem
from agents.turn.approvers import read_approvers

MAX_SHOWN = 60
"""Characters of a wrong value that its author is shown."""

MAX_LINE = 120

EXAMPLE_MODEL = 'a model is made, such as AnthropicModel("claude-sonnet-4-5", api_key=...)'


def check_middleware(name: str, *checks: Iterable[str]) -> None:
    """Raises MiddlewareDefinitionError with the first mistake in the arguments of the middleware `name`."""
    for problem in chain(*checks):
        raise MiddlewareDefinitionError(name, problem)


def text_problems(what: str, value: object, *, filled: bool = False) -> Iterator[str]:
    """A text, and not an empty one if it has to be `filled`."""
    if not isinstance(value, str):
        yield f"{what} is a text, not {shown(value)}"
    elif (problem := storage_problem(value)) is not None:
        yield f"{what} cannot be stored: {problem}"
    elif filled and not value.strip():
        yield f"{what} is empty"


def line_problems(what: str, value: object) -> Iterator[str]:
    """A text of one line, short enough for a button."""
    yield from text_problems(what, value, filled=True)
    if isinstance(value, str) and (len(value) > MAX_LINE or len(value.splitlines()) > 1):
        yield f"{what} is one line of at most {MAX_LINE} characters, not {shown(value)}"


def element_problems(
    what: str, values: Iterable[object], check: Callable[[str, object], Iterator[str]]
) -> Iterator[str]:
    """What `check` says of each of the values; ask `list_problems` before."""
    for position, value in enumerate(values):
        yield from check(f"{what}[{position}]", value)


def list_problems(what: str, value: object, of: str) -> Iterator[str]:
    """A list or a tuple; what its elements are is said only."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        yield f"{what} is a list or a tuple of {of}, not {shown(value)}"


def mapping_problems(what: str, value: object, of: str) -> Iterator[str]:
    """A mapping from texts; what its values are is said only."""
    if not isinstance(value, Mapping):
        yield f"{what} is a mapping from names to {of}, not {shown(value)}"
        return
    for key in value:
        yield from text_problems(f"each key of {what}", key, filled=True)


def model_problems(what: str, value: object) -> Iterator[str]:
    """A `Model`."""
    if isinstance(value, str):
        yield f"{what} is the text {shown(value)}: {EXAMPLE_MODEL}"
        return
    if isinstance(value, type) or not _is_model(value):
        yield f"{what} is no model but {shown(value)}: {EXAMPLE_MODEL}"


def choice_problems(what: str, value: object, known: Sequence[str]) -> Iterator[str]:
    """One of the known texts."""
    if not isinstance(value, str) or value not in known:
        yield f"{what} is one of {', '.join(known)}, not {shown(value)}"


def count_problems(what: str, value: object, minimum: int | None = None) -> Iterator[str]:
    """A whole number, from `minimum` on if there is one."""
    if type(value) is not int or (minimum is not None and value < minimum):
        bound = "" if minimum is None else f", {minimum} or more"
        yield f"{what} is a whole number{bound}, not {shown(value)}"


def seconds_problems(what: str, value: object, *, or_zero: bool = False) -> Iterator[str]:
    """A positive number of seconds; with `or_zero` 0 is one too."""
    if not is_number(value) or (value < 0 if or_zero else value <= 0):  # type: ignore[operator]  # it is a number
        yield f"{what} is a {'' if or_zero else 'positive '}number of seconds, not {shown(value)}"


def flag_problems(what: str, value: object) -> Iterator[str]:
    """True or False."""
    if type(value) is not bool:
        yield f"{what} is True or False, not {shown(value)}"


def approver_problems(value: object) -> Iterator[str]:
    """Who may decide: one, several at once, or None."""
    try:
        read_approvers(value)
    except ValueError as error:
        yield str(error)


def function_problems(what: str, value: object) -> Iterator[str]:
    """Something that can be called, and no class."""
    if not callable(value) or isinstance(value, type):
        yield f"{what} is a function, not {shown(value)}"


def shown(value: object) -> str:
    """A wrong value in a few words: what a function or a class is called, a plain value itself, else its class."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if inspect.isroutine(value):
        return f"the function {value.__name__}"
    if value is None or isinstance(value, str | bytes | bool | int | float):
        text = repr(value)
        return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
    return f"an object of {type(value).__name__}"


def _is_model(value: object) -> bool:
    return isinstance(getattr(value, "name", None), str) and callable(getattr(value, "stream", None))

"""Counts what providers bill: models report what each answer has used, whether it is finished, cut off or repeated."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from functools import partial

from agents.errors import ModelError
from agents.models.protocol import Completed, Model, ModelEvent, ModelRequest, TokenUsage

CHARACTERS_PER_TOKEN = 4
"""For the output of an answer that was cut off: its provider says only at the end how much that was."""


class Meter(ABC):
    """Counts the answers of one piece of work; `reports` is how often a model has said what it uses."""

    reports = 0

    @abstractmethod
    def count(self, answer: object, model: str, usage: TokenUsage) -> None:
        """`usage` is all that this answer (any object) of `model` has used by now."""

    @abstractmethod
    def count_retry(self, model: str, error: ModelError, seconds: float) -> None:
        """A call of `model` has failed after so long, and is made again."""


_METER: ContextVar[Meter | None] = ContextVar("meter", default=None)


def report_usage(answer: object, model: str, usage: TokenUsage) -> None:
    """For models: say what an answer has used by now, as often as more is known."""
    meter = _METER.get()
    if meter is not None:
        meter.reports += 1
        meter.count(answer, model, usage)


def report_retry(model: str, error: ModelError, seconds: float) -> None:
    """For what makes a failed call of a model again: without it, the failure would not be counted."""
    meter = _METER.get()
    if meter is not None:
        meter.count_retry(model, error, seconds)


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """All that models report inside the body, and in the tasks that it starts, goes to `meter`."""
    token = _METER.set(meter)
    try:
        yield
    finally:
        _METER.reset(token)


def stream_of(model: Model) -> Callable[[ModelRequest], AsyncGenerator[ModelEvent, None]]:
    """The model's own `stream`, if it has an attribute `reports_usage` that is true.

    For any other one the usage of its complete answers is reported, unless a model that it asks has done so.
    """
    return model.stream if getattr(model, "reports_usage", False) else partial(_stream_reporting, model)


async def _stream_reporting(model: Model, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
    meter = _METER.get()
    before = 0 if meter is None else meter.reports
    async with aclosing(model.stream(request)) as events:
        async for event in events:
            if isinstance(event, Completed) and meter is not None and meter.reports == before:
                report_usage(object(), event.model or model.name, event.usage)
            yield event

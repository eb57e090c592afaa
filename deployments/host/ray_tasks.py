"""Remote functions as Ray tasks: with resources of their own, anywhere in the cluster, without an actor."""

import asyncio
import threading
import traceback
from collections.abc import Callable, Generator, Mapping
from functools import cache
from queue import Queue
from typing import Any, Literal

import orjson
import ray
from ray import ObjectRefGenerator, cloudpickle
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    TaskCancelledError,
    WorkerCrashedError,
)
from structlog.contextvars import bind_contextvars

from agents.context import AgentContext, current_context, in_context
from agents.errors import TaskLost
from agents.former_names import sent_as
from agents.tools.remote import with_progress
from agents.tracing import NO_SPAN, Tracer, within
from deployments.process.logging import configure_logging
from deployments.process.tracing import flush_spans, tracer_of
from deployments.settings import Settings

LOST = (WorkerCrashedError, NodeDiedError, ObjectLostError, OutOfMemoryError, TaskCancelledError)
MAX_WAITING_PROGRESS = 100
"""Progress beyond this is dropped: the function never waits for its watchers."""

Kind = Literal["progress", "result", "error"]
Item = tuple[Kind, bytes]


class RayTasks:
    """`agents.services.Tasks` on the cluster that this process belongs to."""

    def __init__(self) -> None:
        self._task: Any = ray.remote(_stream)  # once: every call of it exports the function anew

    async def run(
        self,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        resources: Mapping[str, Any],
        progress: Callable[[Any], None],
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        """The function's result; raises what it raises, or `TaskLost` if its process died with it.

        `resources` are options of a Ray task. The function works in a process of its own, which is killed when this is
        cancelled.
        """
        call = _pack((function, dict(arguments), current_context()))
        submission = asyncio.ensure_future(asyncio.to_thread(self._submit, call, resources))
        try:
            items = await asyncio.shield(submission)
        except asyncio.CancelledError:
            submission.add_done_callback(_cancel_submitted)
            raise
        try:
            kind, data = await _await_outcome(items, progress)
        except LOST as error:
            raise TaskLost(type(error).__name__) from error
        except BaseException:
            ray.cancel(items, force=True)
            raise
        if kind == "error":
            raise cloudpickle.loads(data)
        return cloudpickle.loads(data)

    def _submit(self, call: bytes, resources: Mapping[str, Any]) -> ObjectRefGenerator:
        """Blocks: the first time, the control plane has to answer."""
        items: ObjectRefGenerator = self._task.options(max_retries=0, **resources).remote(call)
        return items


def _cancel_submitted(submission: "asyncio.Future[ObjectRefGenerator]") -> None:
    if not submission.cancelled() and submission.exception() is None:
        ray.cancel(submission.result(), force=True)


async def _await_outcome(items: ObjectRefGenerator, progress: Callable[[Any], None]) -> Item:
    async for reference in items:
        item: Item = await reference
        if item[0] != "progress":
            return item
        progress(orjson.loads(item[1]))
    raise TaskLost("it ended without a result")


@sent_as("deployments.tasks._stream")
def _stream(call: bytes) -> Generator[Item, None, None]:
    """The task: the function works in a thread, so that its progress leaves while it works."""
    configure_logging()
    items: Queue[Item] = Queue()
    function, arguments, context = cloudpickle.loads(call)

    def work() -> None:
        items.put(_outcome(function, with_progress(arguments, lambda value: _report(items, value)), context))

    threading.Thread(target=work, daemon=True).start()
    while True:
        item = items.get()
        yield item
        if item[0] != "progress":
            flush_spans(_own_tracer())  # Ray may end a worker that rests
            return


def _outcome(function: Callable[..., Any], arguments: Mapping[str, Any], context: AgentContext) -> Item:
    tracer = _own_tracer()
    span = NO_SPAN
    if context.traceparent is not None and tracer.is_on:
        name = str(arguments.get("name", function.__name__))
        task = ray.get_runtime_context()
        attributes = {
            "gen_ai.tool.name": name,
            "ray.task_id": task.get_task_id(),
            "ray.node_id": task.get_node_id(),
        }
        span = tracer.span(f"ray_task {name}", attributes, context.traceparent)
    bind_contextvars(trace_id=context.trace_id)
    try:
        with span, in_context(within(context, span)):
            return "result", _pack(function(**arguments))
    except BaseException as error:  # noqa: BLE001 - raised in the caller's process
        return "error", _pack_error(error)


@cache
def _own_tracer() -> Tracer:
    """That of the worker process in which tasks run."""
    return tracer_of(Settings(), "task")


def _pack_error(error: BaseException) -> bytes:
    """The error with its traceback as a note; only the traceback, if the error cannot be pickled."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, Exception):
        try:
            error.add_note(trace)
            packed = _pack(error)
            cloudpickle.loads(packed)
        except Exception:  # noqa: BLE001 - the error's own code
            return _pack(RuntimeError(trace))
        return packed
    return _pack(RuntimeError(trace))


def _pack(value: object) -> bytes:
    """By reference if the other process can import it, else by value."""
    packed: bytes = cloudpickle.dumps(value)  # type: ignore[no-untyped-call]  # Ray has no type for it
    return packed


def _report(items: "Queue[Item]", value: object) -> None:
    try:
        data = orjson.dumps(value)
    except orjson.JSONEncodeError:
        return  # as elsewhere, progress that is no JSON is dropped
    if items.qsize() < MAX_WAITING_PROGRESS:
        items.put(("progress", data))

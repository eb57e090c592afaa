"""run_tool: the model gets an outcome that it can read from any tool; only a cancel of the caller is raised."""

import asyncio
import contextvars
import threading
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field
from structlog.testing import capture_logs

from agents.errors import ToolError
from agents.tools import Tool, ToolContext, ToolOutcome, outcome, provider_tool, run, run_tool, tool

CONTEXT = ToolContext("conversation-1", "call-1", 3, "ada")


def returning(value: Any) -> Tool:
    @tool
    async def give() -> Any:
        """Give the value."""
        return value

    return give


def raising(error: BaseException) -> list[Tool]:
    @tool
    async def fail_async() -> None:
        """Fail."""
        raise error

    @tool
    def fail_sync() -> None:
        """Fail."""
        raise error

    return [fail_async, fail_sync]


async def test_an_async_and_a_sync_function() -> None:
    @tool
    async def add(a: int, b: int = 1) -> int:
        """Add."""
        return a + b

    @tool
    def where() -> bool:
        """Tell whether this is the main thread."""
        return threading.current_thread() is threading.main_thread()

    assert await run_tool(add, {"a": 2}, CONTEXT) == ToolOutcome("3", "ok")
    assert await run_tool(where, {}, CONTEXT) == ToolOutcome("false", "ok")


async def test_arguments_get_their_types() -> None:
    class Place(BaseModel):
        name: str

    seen: list[Any] = []

    def look(place: Place, day: date, tags: set[str]) -> None:
        """Look."""
        seen.extend([place, day, tags])

    look.__annotations__["place"] = Place
    await run_tool(tool(look), {"place": {"name": "x"}, "day": "2026-01-02", "tags": ["a", "a"]}, CONTEXT)
    assert seen == [Place(name="x"), date(2026, 1, 2), {"a"}]


async def test_a_mutable_default_is_not_shared() -> None:
    @tool
    async def collect(items: list[int] = []) -> list[int]:  # noqa: B006 - that is the point
        """Collect."""
        items.append(1)
        return items

    assert [await run_tool(collect, {}, CONTEXT) for _ in range(2)] == [ToolOutcome("[1]")] * 2


async def test_the_context_reaches_the_function() -> None:
    @tool
    async def whoami(context: ToolContext) -> str:
        """Tell."""
        return f"{context.principal} {context.conversation_id} {context.tool_call_id} {context.turn}"

    assert await run_tool(whoami, {}, CONTEXT) == ToolOutcome("ada conversation-1 call-1 3")


@pytest.mark.parametrize("blocking", [True, False])
async def test_progress_is_told_on_the_loop(blocking: bool) -> None:
    told: list[tuple[Any, int]] = []
    context = ToolContext("c", "call-1", progress=lambda value: told.append((value, threading.get_ident())))

    def work(context: ToolContext) -> str:
        """Work."""
        context.progress({"done": 1})
        context.progress({"done": 2})
        return "ok"

    async def work_async(context: ToolContext) -> str:
        """Work."""
        return work(context)

    await run_tool(tool(work if blocking else work_async), {}, context)
    assert told == [({"done": 1}, threading.get_ident()), ({"done": 2}, threading.get_ident())]


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        ({}, ["a: "]),
        ({"a": "many"}, ["a: ", "integer"]),
        ({"a": 1, "c": 2}, ["c: "]),
        ({"a": 1, "b": ""}, ["b: "]),
        ({"a": 1, "context": {}}, ["context: "]),
        ({f"x{number}": 1 for number in range(50)}, ["more)"]),
    ],
)
async def test_bad_arguments(arguments: dict[str, Any], problems: list[str]) -> None:
    ran: list[int] = []

    @tool
    async def act(context: ToolContext, a: int, b: Annotated[str, Field(min_length=1)] = "b") -> None:
        """Act."""
        ran.append(a)

    result = await run_tool(act, arguments, CONTEXT)
    assert result.status == "error"
    assert isinstance(result.content, str)
    assert result.content.startswith("Invalid arguments for act: ")
    assert all(problem in result.content for problem in problems)
    assert len(result.content) < 1000
    assert ran == []


async def test_a_deliberate_error_is_told_to_the_model() -> None:
    for failing in raising(ToolError("The file is locked.")):
        assert await run_tool(failing, {}, CONTEXT) == ToolOutcome("The file is locked.", "error")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("password=hunter2"),
        SystemExit(1),
        StopIteration(),
        TimeoutError("its own"),
        asyncio.CancelledError(),
        RecursionError(),
        ExceptionGroup("several", [ValueError("password=hunter2")]),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_any_other_error_is_hidden_from_the_model(error: BaseException) -> None:
    for failing in raising(error):
        result = await run_tool(failing, {}, CONTEXT)
        assert result == ToolOutcome(f"{failing.name} failed with an internal error (call call-1).", "error")


async def test_a_timeout() -> None:
    @tool(timeout=0.05)
    async def dawdle() -> None:
        """Take long."""
        await asyncio.sleep(60)

    assert await run_tool(dawdle, {}, CONTEXT) == ToolOutcome("dawdle did not finish within 0.05 seconds.", "timeout")


async def test_a_blocked_thread_times_out_too() -> None:
    released = threading.Event()

    @tool(timeout=0.05)
    def block() -> None:
        """Block."""
        released.wait(10)

    started = time.monotonic()
    results = await asyncio.gather(*(run_tool(block, {}, CONTEXT) for _ in range(50)))
    assert {result.status for result in results} == {"timeout"}
    assert time.monotonic() - started < 5, "no pool that fifty blocked calls could exhaust"
    released.set()


async def test_cancelling_the_caller() -> None:
    stopped = asyncio.Event()

    @tool
    async def work() -> None:
        """Work."""
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    task = asyncio.create_task(run_tool(work, {}, CONTEXT))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()


async def test_cancelling_the_caller_of_a_thread() -> None:
    released = threading.Event()

    @tool
    def block() -> None:
        """Block."""
        released.wait(10)

    task = asyncio.create_task(run_tool(block, {}, CONTEXT))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 1)
    released.set()
    await asyncio.sleep(0.02)


TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")


async def test_context_variables_reach_the_thread() -> None:
    @tool
    def tenant() -> str:
        """Tell the tenant."""
        return TENANT.get()

    TENANT.set("acme")
    assert await run_tool(tenant, {}, CONTEXT) == ToolOutcome("acme")


class Point(BaseModel):
    x: int


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("text", "text"),
        ("", ""),
        (None, "Done."),
        (3, "3"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        ([], "[]"),
        ([1, 2], "[1,2]"),
        (Point(x=1), '{"x":1}'),
        ([Point(x=1)], '[{"x":1}]'),
        (datetime(2026, 1, 2, tzinfo=UTC), '"2026-01-02T00:00:00Z"'),
        (Decimal("1.50"), '"1.50"'),
        ([{"type": "text", "text": "a"}], [{"type": "text", "text": "a"}]),
        ([{"type": "unknown"}], '[{"type":"unknown"}]'),
    ],
)
async def test_results(value: Any, content: Any) -> None:
    assert await run_tool(returning(value), {}, CONTEXT) == ToolOutcome(content, "ok")


def circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


@pytest.mark.parametrize(
    "value", [object(), circle(), b"\xff", "\ud800", threading.Lock(), [{"type": "text", "x": object()}]]
)
async def test_results_that_cannot_be_written(value: Any) -> None:
    result = await run_tool(returning(value), {}, CONTEXT)
    assert result.status == "error"
    assert "cannot be written as JSON" in str(result.content)


async def test_a_result_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "MAX_BYTES", 10)
    assert (await run_tool(returning("x" * 10), {}, CONTEXT)).status == "ok"
    result = await run_tool(returning("x" * 11), {}, CONTEXT)
    assert result.status == "error"
    assert "11 bytes" in str(result.content)


@pytest.mark.parametrize("executor", ["client", "human"])
async def test_calls_of_others_are_not_run_here(executor: Any) -> None:
    ran: list[str] = []

    @tool(executor=executor)
    def act() -> None:
        """Act."""
        ran.append("here")

    assert (await run_tool(act, {}, CONTEXT)).status == "error"
    assert (await run_tool(provider_tool("web_search_20250305", "web_search"), {}, CONTEXT)).status == "error"
    assert ran == []


async def test_a_function_that_returns_a_coroutine() -> None:
    async def answer(text: str) -> str:
        return text

    def later(text: str) -> Any:
        """Answer later."""
        return answer(text)

    assert await run_tool(tool(later), {"text": "hi"}, CONTEXT) == ToolOutcome("hi")


async def test_a_tool_that_holds_up_the_loop_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    @tool
    async def compute() -> int:
        """Compute, and then wait a little."""
        total = sum(range(1000))
        await asyncio.sleep(0)
        return total

    with capture_logs() as logged:
        assert await run_tool(compute, {}, CONTEXT) == ToolOutcome("499500", "ok")
    assert logged == []
    monkeypatch.setattr(run, "MAX_STEP_SECONDS", -1.0)  # every step is too long
    with capture_logs() as logged:
        assert await run_tool(compute, {}, CONTEXT) == ToolOutcome("499500", "ok")
    assert [(entry["event"], entry["tool"]) for entry in logged] == [("tool_blocks", "compute")] * 2

"""Retries: after an error or a timeout if the tool says so, never after an answer, and always with the same call id."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from agents.context import AgentContext, current_context
from agents.errors import TaskLost, ToolError
from agents.interrupt import Interrupt
from agents.services import Services
from agents.tools import Tool, ToolContext, ToolOutcome, run, run_tool, timeout, tool
from agents.turn.events import Resolution
from tests.support.conversations import until

CONTEXT = ToolContext("conversation-1", "call-1", 3, "ada")
CRASHED = ToolOutcome("work failed with an internal error (call call-1).", "error")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "FIRST_PAUSE", 0.0)


class Trying:
    """A tool that raises or returns these, one after another."""

    def __init__(self, *deeds: object, blocking: bool = False, **options: Any) -> None:
        self._deeds = list(deeds)
        self.calls: list[str] = []

        def work(context: ToolContext, items: list[int] = []) -> Any:  # noqa: B006 - tries must not share it
            """Work."""
            items.append(1)
            self.calls.append(f"{context.tool_call_id} {items}")
            deed = self._deeds.pop(0)
            if isinstance(deed, BaseException):
                raise deed
            return deed

        async def work_async(context: ToolContext, items: list[int] = []) -> Any:  # noqa: B006 - as above
            """Work."""
            return work(context, items)

        self.tool: Tool = tool(name="work", **options)(work if blocking else work_async)


@pytest.mark.parametrize("blocking", [True, False])
async def test_again_with_the_same_id_and_fresh_arguments(blocking: bool) -> None:
    trying = Trying(ValueError(), OSError(), "at last", blocking=blocking, retries=2)
    assert await run_tool(trying.tool, {"items": [7]}, CONTEXT) == ToolOutcome("at last")
    assert trying.calls == ["call-1 [7, 1]"] * 3


async def test_not_more_often_than_allowed() -> None:
    trying = Trying(ValueError(), ValueError(), "too late", retries=1)
    assert await run_tool(trying.tool, {}, CONTEXT) == CRASHED
    assert len(trying.calls) == 2


async def test_once_unless_told_otherwise() -> None:
    trying = Trying(ValueError(), "too late")
    assert await run_tool(trying.tool, {}, CONTEXT) == CRASHED
    assert len(trying.calls) == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (ToolError("The file is locked."), ToolOutcome("The file is locked.", "error")),
        (
            object(),
            ToolOutcome("work finished, but its result cannot be written as JSON (object).", "error"),
        ),
    ],
)
async def test_an_answer_is_final(answer: object, outcome: ToolOutcome) -> None:
    trying = Trying(answer, "never", retries=5)
    assert await run_tool(trying.tool, {}, CONTEXT) == outcome
    assert len(trying.calls) == 1


async def test_bad_arguments_are_final() -> None:
    trying = Trying("never", retries=5)
    assert (await run_tool(trying.tool, {"items": "x"}, CONTEXT)).status == "error"
    assert trying.calls == []


def dawdling(begun: list[int], **options: Any) -> Tool:
    @tool(timeout=0.02, **options)
    async def dawdle() -> str:
        """Take long the first time."""
        begun.append(1)
        if len(begun) == 1:
            await asyncio.Event().wait()
        return "quick"

    return dawdle


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ({"retries": 1}, ToolOutcome("quick")),
        ({}, ToolOutcome("dawdle did not finish within 0.02 seconds.", "timeout")),
        (
            {"retries": 1, "on_unknown_outcome": "report"},  # the first try may have had an effect
            ToolOutcome("dawdle did not finish within 0.02 seconds.", "timeout"),
        ),
    ],
)
async def test_each_try_has_its_timeout(options: dict[str, Any], outcome: ToolOutcome) -> None:
    assert await run_tool(dawdling([], **options), {}, CONTEXT) == outcome


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_question_passes_as_it_is(blocking: bool) -> None:
    question = Interrupt("May I?", decisions=["approve", "reject"])
    trying = Trying(question, "never", blocking=blocking, retries=3)
    with pytest.raises(Interrupt) as asked:
        await run_tool(trying.tool, {}, CONTEXT)
    assert asked.value is question
    assert len(trying.calls) == 1


@pytest.mark.parametrize("problem", [{"prompt": "\ud800"}, {"prompt": "?", "form": {"questions": object()}}])
async def test_a_question_that_the_log_cannot_hold_is_a_failure(problem: dict[str, Any]) -> None:
    outcome = await run_tool(Trying(Interrupt(**problem)).tool, {}, CONTEXT)
    assert outcome.status == "error"
    assert str(outcome.content).startswith("work asked a question that cannot be stored: ")


async def test_the_answer_to_a_question_reaches_the_tool() -> None:
    @tool
    async def ask(context: ToolContext) -> str:
        """Ask once."""
        if not context.interrupted:
            raise Interrupt("Which one?", "elicitation")
        return str(context.resolution.answer) if context.resolution is not None else "nobody answered"

    answer = Resolution(turn=3, tool_call_id="call-1", decision="respond", answer="red")
    answered = ToolContext("c", "call-1", resolution=answer, interrupted=True)
    assert await run_tool(ask, {}, answered) == ToolOutcome("red")
    assert await run_tool(ask, {}, ToolContext("c", "call-1", interrupted=True)) == ToolOutcome("nobody answered")


@pytest.mark.parametrize("options", [{}, {"ray": {}}])
@pytest.mark.parametrize("blocking", [True, False])
async def test_the_agents_context_goes_along(blocking: bool, options: dict[str, Any]) -> None:
    def tell() -> list[Any]:
        """Tell."""
        seen = current_context()
        return [seen.tenant, seen.values["depth"]]

    async def tell_async() -> list[Any]:
        """Tell."""
        return tell()

    context = ToolContext("c", "call-1", context=AgentContext(tenant="acme", values={"depth": 2}))
    found = tool(name="tell", **options)(tell if blocking else tell_async)
    assert await run_tool(found, {}, context) == ToolOutcome('["acme",2]')
    assert current_context() == AgentContext()


async def test_a_tool_that_cancels_itself_fails_alone() -> None:
    @tool
    async def work() -> None:
        """Cancel the current task."""
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.Event().wait()

    assert await run_tool(work, {}, CONTEXT) == CRASHED


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), BaseExceptionGroup("x", [SystemExit()])])
@pytest.mark.parametrize("blocking", [True, False])
async def test_errors_that_would_end_the_loop_end_the_call(error: BaseException, blocking: bool) -> None:
    assert await run_tool(Trying(error, blocking=blocking).tool, {}, CONTEXT) == CRASHED


async def test_a_tool_that_resists_its_timeout_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeout, "GRACE_SECONDS", 0.01)
    released, ended = asyncio.Event(), asyncio.Event()

    @tool(timeout=0.01)
    async def resist() -> None:
        """Do not let go."""
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue
        ended.set()

    assert (await run_tool(resist, {}, CONTEXT)).status == "timeout"
    released.set()
    await ended.wait()


async def test_patches_and_live_events_come_from_threads_too() -> None:
    reported: list[tuple[Any, int]] = []

    def note(value: Any) -> None:
        reported.append((value, threading.get_ident()))

    @tool
    def change(context: ToolContext) -> None:
        """Change."""
        context.patch({"seen": 1})
        context.tell({"type": "seen"})  # type: ignore[arg-type]  # any value: it is only passed on

    await run_tool(change, {}, ToolContext("c", "call-1", patch=note, tell=note))
    here = threading.get_ident()
    assert reported == [({"seen": 1}, here), ({"type": "seen"}, here)]


class RecordingTasks:
    """Tasks that record what they are asked for, run it in a thread, and lose the first few calls."""

    def __init__(self, losses: int = 0) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self._losses = losses

    async def run(
        self,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        resources: Mapping[str, Any],
        progress: Callable[[Any], None],
    ) -> Any:
        self.asked.append(resources)
        if len(self.asked) <= self._losses:
            raise TaskLost("the node died")
        return await asyncio.to_thread(function, **arguments)

    def context(self) -> ToolContext:
        return ToolContext("c", "call-1", services=Services(store=None, tasks=self))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("losses", "options", "outcome", "runs"),
    [
        (0, {}, ToolOutcome("done"), 1),
        (2, {}, ToolOutcome("done"), 3),
        (9, {}, ToolOutcome("work did not finish: the process that ran it died, again and again.", "error"), 3),
        (
            1,
            {"on_unknown_outcome": "report", "retries": 3},
            ToolOutcome(
                "The outcome of this call is unknown: the process that ran it died, and it is not repeated.", "unknown"
            ),
            1,
        ),
    ],
)
async def test_a_remote_tool_is_run_by_the_tasks(
    losses: int, options: dict[str, Any], outcome: ToolOutcome, runs: int
) -> None:
    tasks = RecordingTasks(losses)
    remote = Trying("done", ray={"num_cpus": 2}, blocking=True, **options).tool
    assert await run_tool(remote, {}, tasks.context()) == outcome
    assert tasks.asked == [{"num_cpus": 2}] * runs


async def test_a_remote_tool_can_neither_patch_nor_broadcast() -> None:
    refused: list[str] = []

    @tool(ray={})
    def reach(context: ToolContext) -> None:
        """Reach back."""
        for way in (context.patch, context.tell):
            with pytest.raises(RuntimeError, match="apart from its conversation") as caught:
                way({})  # type: ignore[arg-type]
            refused.append(str(caught.value))
        assert context.services is None

    await run_tool(reach, {}, RecordingTasks().context())
    assert len(refused) == 2


async def test_a_remote_tool_without_a_cluster_runs_in_a_thread() -> None:
    reported: list[Any] = []

    @tool(ray={"num_gpus": 8})
    def dig(context: ToolContext) -> bool:
        """Dig."""
        context.progress({"depth": 1})
        return threading.current_thread() is threading.main_thread()

    assert await run_tool(dig, {}, ToolContext("c", "call-1", progress=reported.append)) == ToolOutcome("false")
    assert reported == [{"depth": 1}]


async def test_cancelling_between_two_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "FIRST_PAUSE", 3600.0)
    trying = Trying(ValueError(), "never", retries=1)
    call = asyncio.create_task(run_tool(trying.tool, {}, CONTEXT))
    await until(lambda: trying.calls)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert len(trying.calls) == 1


def pauses(monkeypatch: pytest.MonkeyPatch) -> Sequence[float]:
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(run.asyncio, "sleep", note)
    return waited


async def test_the_pauses_grow_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "FIRST_PAUSE", 2.0)
    waited = pauses(monkeypatch)
    await run_tool(Trying(*[ValueError()] * 4, retries=3).tool, {}, CONTEXT)
    assert waited == [2.0, 4.0, 5.0]

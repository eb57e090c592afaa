"""Tools as Ray tasks: in a process of their own, they may do what other tools may, and no error is lost."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray

from agents.context import AgentContext, current_context
from agents.errors import TaskLost, ToolError
from agents.interrupt import Interrupt
from agents.ray_options import RAY_OPTIONS
from agents.services import Services
from agents.tools import ToolContext, ToolOutcome, run_tool, tool
from deployments.host.ray_tasks import RayTasks
from tests.deployments.conftest import pid_of
from tests.support.api import Api, eventually
from tests.support.conversations import until
from tests.support.service import is_alive

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


@pytest.fixture
def placement() -> str:
    """One of the two: a task has a process of its own, wherever its conversation lives."""
    return "shared"


SMALL = {"num_cpus": 0.1}


@pytest.fixture
def tasks() -> RayTasks:
    """Tasks on the service's Ray cluster."""
    return RayTasks()


@pytest.fixture
def context(tasks: RayTasks, told: list[Any]) -> ToolContext:
    services = Services(store=None, tasks=tasks)  # type: ignore[arg-type]  # such a tool never sees the store
    return ToolContext("c", "call-1", 3, "ada", progress=told.append, services=services)


@pytest.fixture
def told() -> list[Any]:
    """The progress that has arrived."""
    return []


async def run(tasks: RayTasks, function: Callable[..., Any], **arguments: Any) -> Any:
    return await tasks.run(function, arguments, SMALL, lambda _: None)


def note_and_wait(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)


async def begun(path: Path) -> int:
    """Wait until the function has noted its process; Ray may have to start one."""

    async def noted() -> bool:
        return path.exists() and bool(path.read_text())

    await eventually(noted)
    return int(path.read_text())


async def test_the_function_has_a_process_of_its_own_and_its_resources(tasks: RayTasks) -> None:
    def where() -> tuple[int, dict[str, Any], str | None]:
        runtime = ray.get_runtime_context()
        return os.getpid(), runtime.get_assigned_resources(), runtime.get_actor_id()

    wanted = {"num_cpus": 0.25, "memory": 64 * 1024**2}
    pid, resources, actor = await tasks.run(where, {}, wanted, lambda _: None)
    assert pid != os.getpid()
    assert resources == {"CPU": 0.25, "memory": 64 * 1024**2}
    assert actor is None


@pytest.mark.parametrize("option", RAY_OPTIONS)
def test_a_task_accepts_every_option_that_a_definition_may_name(tasks: RayTasks, option: str) -> None:
    samples = {"resources": {"oven": 1}, "label_selector": {"zone": "a"}, "runtime_env": {}, "accelerator_type": "T4"}
    ray.remote(is_alive).options(**{option: samples.get(option, 1)})


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_remote_tool(context: ToolContext, told: list[Any], asynchronous: bool) -> None:
    def work(cups: int, where: ToolContext) -> dict[str, Any]:
        """Brew."""
        for cup in range(cups):
            where.progress({"cup": cup})
        where.progress(object())
        seen = current_context()
        stands = [where.conversation_id, where.tool_call_id, where.turn, where.principal]
        return {"tenant": seen.tenant, "values": dict(seen.values), "stands": stands}

    async def work_async(cups: int, where: ToolContext) -> dict[str, Any]:
        """Brew."""
        await asyncio.sleep(0)
        return work(cups, where)

    remote_tool = tool(name="brew", ray=SMALL)(work_async if asynchronous else work)
    lent = AgentContext(tenant="acme", values={"depth": 2})
    context = ToolContext("c", "call-1", 3, "ada", progress=told.append, context=lent, services=context.services)
    outcome = await run_tool(remote_tool, {"cups": 3}, context)
    stands = '["c","call-1",3,"ada"]'
    assert outcome == ToolOutcome(f'{{"tenant":"acme","values":{{"depth":2}},"stands":{stands}}}')
    assert told == [{"cup": 0}, {"cup": 1}, {"cup": 2}]


async def test_progress_arrives_while_the_function_works(context: ToolContext, told: list[Any], tmp_path: Path) -> None:
    gate = tmp_path / "open"

    @tool(ray=SMALL)
    def dig(path: str, where: ToolContext) -> str:
        """Dig until the gate is open."""
        where.progress("digging")
        while not Path(path).exists():
            time.sleep(0.01)
        return "dug"

    call = asyncio.create_task(run_tool(dig, {"path": str(gate)}, context))
    await until(lambda: told)
    assert not call.done()
    gate.touch()
    assert await call == ToolOutcome("dug")


async def test_what_the_function_raises_is_raised_here(tasks: RayTasks, context: ToolContext) -> None:
    class Awkward(Exception):
        """Cannot be pickled: it wants more than it keeps."""

        def __init__(self, code: int, name: str) -> None:
            super().__init__(f"{name} {code}")

    def fail(kind: str) -> None:
        """Fail in this way."""
        if kind == "question":
            raise Interrupt("May I?", decisions=["approve", "reject"])
        raise {
            "tool": ToolError("The oven is cold."),
            "value": ValueError("no such dish"),
            "exit": SystemExit(3),
            "awkward": Awkward(7, "oven"),
        }[kind]

    with pytest.raises(ValueError, match="no such dish") as caught:
        await run(tasks, fail, kind="value")
    assert "in fail" in caught.value.__notes__[0], "the traceback of the other process"
    for kind, words in [("exit", "SystemExit: 3"), ("awkward", "oven 7")]:
        with pytest.raises(RuntimeError, match=words):
            await run(tasks, fail, kind=kind)

    remote_tool = tool(ray=SMALL)(fail)
    assert await run_tool(remote_tool, {"kind": "tool"}, context) == ToolOutcome("The oven is cold.", "error")
    with pytest.raises(Interrupt) as asked:
        await run_tool(remote_tool, {"kind": "question"}, context)
    assert (asked.value.prompt, list(asked.value.decisions)) == ("May I?", ["approve", "reject"])


async def test_a_result_that_cannot_travel(context: ToolContext) -> None:
    @tool(ray=SMALL)
    def lock() -> Any:
        """Return a lock."""
        import threading

        return threading.Lock()

    outcome = await run_tool(lock, {}, context)
    assert outcome == ToolOutcome("lock finished, but its result cannot be written as JSON (lock).", "error")


async def test_a_function_is_killed_when_its_caller_is_cancelled(tasks: RayTasks, tmp_path: Path) -> None:
    call = asyncio.create_task(run(tasks, note_and_wait, path=str(tmp_path / "pid")))
    pid = await begun(tmp_path / "pid")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: not is_alive(pid))


async def test_a_function_whose_process_dies_is_lost(tasks: RayTasks, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    call = asyncio.create_task(run(tasks, note_and_wait, path=str(path)))
    os.kill(await begun(path), signal.SIGKILL)
    with pytest.raises(TaskLost):
        await call


@pytest.mark.parametrize(
    ("declared", "outcome", "runs"),
    [
        ("repeat", ToolOutcome("survived"), 2),
        (
            "report",
            ToolOutcome(
                "The outcome of this call is unknown: the process that ran it died, and it is not repeated.", "unknown"
            ),
            1,
        ),
    ],
)
async def test_a_lost_call_is_repeated_or_reported(
    context: ToolContext, tmp_path: Path, declared: Any, outcome: ToolOutcome, runs: int
) -> None:
    path = tmp_path / "runs"

    @tool(ray=SMALL, on_unknown_outcome=declared)
    def risk(path: str, where: ToolContext) -> str:
        """Die the first time."""
        with Path(path).open("a") as file:
            file.write(f"{where.tool_call_id}\n")
        if len(Path(path).read_text().splitlines()) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return "survived"

    assert await run_tool(risk, {"path": str(path)}, context) == outcome
    assert path.read_text().splitlines() == ["call-1"] * runs


async def test_a_remote_tool_of_a_conversation(api: Api) -> None:
    conversation_id = await api.create("worker")
    seen = await api.turn(conversation_id, "weigh: twelve bytes")
    log = await api.log(conversation_id)
    principal = next(event["principal"] for event in log if event["type"] == "user_msg")
    [result] = [event for event in log if event["type"] == "tool_result"]
    words, _, pid = result["content"].rpartition(" in ")
    assert (result["status"], words) == ("ok", f"12 for {principal}")
    assert int(pid) != await pid_of(conversation_id)
    assert [event["progress"] for event in seen if event["type"] == "tool_progress"] == [{"weighing": "twelve bytes"}]

"""Servers that die, hang, forget their sessions or never existed: the model reads an error, and a retry comes later."""

import asyncio
import os
import signal
from typing import Any

import psutil
import pytest

from agents.mcp import connection, session
from agents.mcp.pool import McpPool
from agents.mcp.server import McpServer
from agents.tools import ToolContext, ToolOutcome
from tests.agents.mcp.conftest import Served
from tests.support.mcp_workbench import BROKE, PATIENCE, Caller, Clock, is_away, over_stdio, until

OPTIONS = pytest.mark.parametrize("option", [[], ["old"]], ids=["new", "old"])


async def begun(caller: Caller) -> "asyncio.Task[ToolOutcome]":
    """A call that the server has begun."""
    call = asyncio.create_task(caller.call("hang", label="x"))

    async def progress() -> bool:
        return bool(caller.progress)

    await until(progress)
    return call


@OPTIONS
async def test_a_process_is_killed_during_a_call(pool: McpPool, option: list[str]) -> None:
    caller = Caller(pool, over_stdio(*option))
    pid = await caller.pid()
    call = await begun(caller)
    os.kill(pid, signal.SIGKILL)
    assert await call == ToolOutcome(BROKE, "error")
    assert await caller.heard() == [], "a new process, which was not asked to do it again"
    assert await caller.pid() != pid


@OPTIONS
async def test_a_process_is_killed_between_calls(pool: McpPool, option: list[str]) -> None:
    caller = Caller(pool, over_stdio(*option))
    pid = await caller.pid()
    names = await caller.names()
    os.kill(pid, signal.SIGKILL)

    async def reaped() -> bool:
        return not psutil.pid_exists(pid)

    await until(reaped)
    assert await caller.names() == names
    assert await caller.pid() != pid


@OPTIONS
async def test_a_service_is_killed_during_a_call(pool: McpPool, served: Served, option: list[str]) -> None:
    http = await served(*option)
    caller = Caller(pool, http.reached())
    call = await begun(caller)
    http.kill()
    assert await call == ToolOutcome(BROKE, "error")
    http.start()
    await http.ready()
    outcome = await caller.call("heard")
    assert outcome == ToolOutcome("that is all"), "the call was not made again"


@OPTIONS
async def test_a_service_is_away(pool: McpPool, served: Served, clock: Clock, option: list[str]) -> None:
    http = await served(*option)
    caller = Caller(pool, http.reached())
    names = await caller.names()
    http.kill()
    assert await caller.call("add", a=1, b=1) == ToolOutcome(BROKE, "error")
    assert is_away(await caller.call("add", a=1, b=1))
    assert await caller.names() == names, "known from before"
    http.start()
    await http.ready()
    assert is_away(await caller.call("add", a=1, b=1)), "not yet tried again"
    clock.now += 1
    assert await caller.call("add", a=1, b=1) == ToolOutcome("2")


@OPTIONS
async def test_a_service_that_was_started_anew_has_forgotten_the_session(
    pool: McpPool, served: Served, option: list[str]
) -> None:
    http = await served(*option)
    caller = Caller(pool, http.reached())
    await caller.read("echo", text="before")
    http.kill()
    http.start()
    await http.ready()
    assert await caller.call("echo", text="after") == ToolOutcome("after")
    assert await caller.heard() == ["after"], "once"


async def test_a_program_that_does_not_exist(pool: McpPool) -> None:
    ghost = McpServer(name="ghost", command=["/no/such/program"])
    assert await pool.tools([ghost]) == []
    assert await Caller(pool, over_stdio()).read("add", a=1, b=1) == "2", "the others are not concerned"
    tool = await pool.find([ghost], "ghost__walk")
    assert tool is not None, "a call from before may still be dispatched"
    assert tool.approval == "required"


async def test_a_program_that_ends_at_once_or_talks_nonsense(pool: McpPool) -> None:
    short = McpServer(name="t", command=["true"])
    chatty = McpServer(name="u", command=["echo", "hello"])
    assert await pool.tools([short, chatty]) == []
    assert is_away(await Caller(pool, short).call("walk"))


class SilentServer:
    """A server that accepts connections and never answers; with `patience` 0 it closes them at once."""

    def __init__(self, port: int = 0, patience: int = -1) -> None:
        self.visits = 0
        self.port = port
        self._patience = patience

    async def __aenter__(self) -> "SilentServer":
        self._server = await asyncio.start_server(self._visit, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def server(self, **fields: Any) -> McpServer:
        return McpServer(name="t", url=f"http://127.0.0.1:{self.port}", **fields)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        await reader.read(self._patience)  # until the other side closes
        writer.close()


async def test_a_server_that_hangs_up_is_not_tried_every_turn(pool: McpPool, clock: Clock) -> None:
    async with SilentServer(patience=0) as silent_server:
        caller = Caller(pool, silent_server.server())
        visits = []
        for pause in (0, 0.9, 0.1, 1.9, 0.1, 3.9, 0.1):
            clock.now += pause
            assert await caller.names() == []
            visits.append(silent_server.visits)
        assert visits == [1, 1, 2, 2, 3, 3, 4]
        assert is_away(await caller.call("walk"))
        assert silent_server.visits == 4


async def test_a_silent_server_is_given_up(pool: McpPool) -> None:
    async with SilentServer() as silent_server:
        assert await pool.tools([silent_server.server(connect_timeout=0.1)]) == []


async def test_a_server_that_became_silent_costs_a_turn_its_grace_only(
    pool: McpPool, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "GRACE", 0.01)
    http = await served()
    caller = Caller(pool, http.reached(connect_timeout=600))
    names = await caller.names()
    http.kill()
    assert (await caller.call("pid")).status == "error"
    async with SilentServer(http.port) as silent_server:
        assert await caller.names() == names

        async def visited() -> bool:
            return silent_server.visits == 1

        await until(visited)
        await pool.aclose()


async def test_closing_in_the_middle_of_everything(pool: McpPool, served: Served) -> None:
    local, remote = Caller(pool, over_stdio()), Caller(pool, (await served()).reached())
    pid = await local.pid()
    calls = [await begun(local), await begun(remote)]
    await pool.aclose()
    assert await asyncio.gather(*calls) == [ToolOutcome(BROKE, "error")] * 2
    assert not psutil.pid_exists(pid)
    assert is_away(await local.call("pid"))
    assert is_away(await Caller(pool, over_stdio(timeout=7)).call("pid")), "nor any other"


async def test_closing_while_it_connects(pool: McpPool) -> None:
    async with SilentServer() as silent_server:
        asking = asyncio.create_task(pool.tools([silent_server.server(connect_timeout=600)]))

        async def visited() -> bool:
            return silent_server.visits == 1

        await until(visited)
        await pool.aclose()
        assert await asking == []


async def test_a_process_that_does_not_want_to_go(pool: McpPool) -> None:
    caller = Caller(pool, over_stdio())
    pid = await caller.pid()
    os.kill(pid, signal.SIGSTOP)
    await pool.aclose()
    assert not psutil.pid_exists(pid)


@OPTIONS
async def test_a_process_that_hangs_is_ended_and_started_anew(
    pool: McpPool, option: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PROBE_SECONDS", 0.3)
    caller = Caller(pool, over_stdio(*option, timeout=PATIENCE))
    pid = await caller.pid()
    waiting = await begun(caller)
    os.kill(pid, signal.SIGSTOP)
    echo = await pool.find(caller.servers, "t__echo")
    assert echo is not None
    assert echo.function is not None
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(echo.function(arguments={"text": "x"}, context=ToolContext("c", "call-2")), 0.2)
    assert await waiting == ToolOutcome(BROKE, "error"), "a call that waits beside it has a result"
    assert await caller.pid() != pid

    async def ended() -> bool:
        return not psutil.pid_exists(pid)

    await until(ended)


async def test_a_call_that_times_out_on_a_process_that_hangs(pool: McpPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PROBE_SECONDS", 0.3)
    caller = Caller(pool, over_stdio(timeout=0.5))
    pid = await caller.pid()
    os.kill(pid, signal.SIGSTOP)
    assert (await caller.call("echo", text="x")).status == "timeout"
    tool = await pool.find(caller.servers, "t__pid")
    assert tool is not None
    assert tool.function is not None
    anew = await tool.function(arguments={}, context=ToolContext("c", "call-2"))
    assert int(anew) != pid

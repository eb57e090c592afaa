"""Tools of real servers, over stdio and HTTP, with the newer protocol and with the older one."""

import asyncio
import os
from typing import Any

import pytest

from agents.mcp.pool import McpPool
from agents.mcp.server import McpServer
from agents.tools import ToolContext, ToolOutcome, run_tool
from tests.support.mcp_workbench import Caller, HttpServer, over_stdio, until


async def test_the_tools_appear(caller: Caller) -> None:
    names = await caller.names()
    assert {"t__add", "t__echo", "t__learn"} < set(names)
    assert "t__odd_name_with_a_very_long_tail_that_goes_on_and_on_a_9321246b" in names
    add = await caller.pool.find(caller.servers, "t__add")
    assert add is not None
    assert add.description == "Add two numbers."
    assert add.definition()["input_schema"]["required"] == ["a", "b"]
    assert add.executor == "server"
    assert add.on_unknown_outcome == "report"
    assert await caller.pool.find(caller.servers, "t__nobody") is None
    assert await caller.pool.find(caller.servers, "other__add") is None


async def test_arguments_and_results(caller: Caller) -> None:
    assert await caller.read("add", a=1, b=2) == "3"
    assert await caller.read("echo", text="ä\n") == "ä\n"
    assert await caller.read("nothing") == "Done."
    assert await caller.read("key") == "call-1"
    assert await caller.read("odd_name_with_a_very_long_tail_that_goes_on_and_on_a_9321246b") == "odd"
    (picture,) = await caller.read("picture")
    assert picture["source"]["media_type"] == "image/png"
    words, data = await caller.read("mixed")
    assert (words["text"], data["text"]) == ("It is fine.", '{"degrees": 21}')


async def test_errors(caller: Caller) -> None:
    failed = await caller.call("fail", reason="no")
    assert failed.status == "error"
    assert "fail" in str(failed.content)
    invalid = await caller.call("add", a=1)
    assert invalid.status == "error"
    assert "b\n" in str(invalid.content), "the server names what is missing"
    assert await caller.call("refuse") == ToolOutcome("The MCP server t refused the call: not today", "error")
    assert await caller.read("add", a=1, b=1) == "2", "the session has survived it all"


async def test_progress_and_cancel(caller: Caller) -> None:
    call = asyncio.create_task(caller.call("hang", label="one"))
    await until(lambda: _true(caller.progress))
    assert caller.progress == [{"progress": 1, "total": 3, "message": "began one"}]
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    async def stopped() -> bool:
        return [line for line in await caller.heard() if line.endswith(" one")] == ["began one", "stopped one"]

    await until(stopped)


async def _true(value: object) -> bool:
    return bool(value)


async def test_a_tool_that_the_server_learns(caller: Caller) -> None:
    assert "t__sing" not in await caller.names()
    await caller.read("learn", name="sing")

    async def known() -> bool:
        return "t__sing" in await caller.names()

    await until(known)
    assert await caller.read("sing") == "I am sing"


async def test_a_timeout_ends_the_call_alone(pool: McpPool) -> None:
    caller = Caller(pool, over_stdio(timeout=0.3))
    pid = await caller.pid()
    outcome = await caller.call("hang", label="x")
    assert outcome == ToolOutcome("t__hang did not finish within 0.3 seconds.", "timeout")
    assert await caller.pid() == pid


async def test_many_calls_at_once(pool: McpPool, http: HttpServer) -> None:
    caller = Caller(pool, http.reached())
    await caller.names()
    said = await asyncio.gather(*(caller.read("echo", text=str(number)) for number in range(50)))
    assert said == [str(number) for number in range(50)]


async def test_conversations_share_a_server(pool: McpPool) -> None:
    first, second = Caller(pool, over_stdio()), Caller(pool, over_stdio())
    assert await first.names() == await second.names()
    assert len(set(await asyncio.gather(first.pid(), second.pid()))) == 1
    other = Caller(pool, over_stdio(environment={"A": "b"}))
    assert await other.pid() != await first.pid(), "another definition is another server"


async def test_what_a_started_server_sees(pool: McpPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    caller = Caller(pool, over_stdio(environment={"SECRET_OF_ITS_OWN": "y"}))
    names = [block["text"] for block in await caller.read("environment")]
    assert "SECRET_OF_ITS_OWN" in names
    assert "PATH" in names
    assert "SECRET_OF_OURS" not in names
    assert "SECRET_OF_OURS" in os.environ


async def test_headers_are_sent(pool: McpPool, http: HttpServer) -> None:
    server = http.reached(headers={"Authorization": "Bearer b", "X-Team": "a"})
    headers = await Caller(pool, server).read("headers")
    assert '"authorization": "Bearer b"' in headers
    assert '"x-team": "a"' in headers


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"trust": "auto"}, ("auto", "auto")),
        ({"trust": "requires_approval"}, ("requires_approval", "required")),
        ({"trust": "user_configurable"}, ("user_configurable", "required")),
        ({"trust": "user_configurable", "approval": "auto"}, ("user_configurable", "auto")),
    ],
)
async def test_trust_is_what_the_server_was_given(
    pool: McpPool, http: HttpServer, fields: dict[str, Any], expected: tuple[str, str]
) -> None:
    tools = await pool.tools([http.reached(**fields)])
    assert {(tool.trust, tool.approval) for tool in tools} == {expected}


async def test_a_context_of_another_loop_task_is_not_kept(caller: Caller, server: McpServer) -> None:
    """One task opens the session and ends; other tasks use it, and another one closes it."""
    await asyncio.create_task(caller.names())
    tool = await asyncio.create_task(caller.pool.find([server], "t__add"))
    assert tool is not None
    run = run_tool(tool, {"a": 1, "b": 1}, ToolContext("c", "call-2"))
    assert await asyncio.create_task(run) == ToolOutcome("2")
    await asyncio.create_task(caller.pool.aclose())
    assert (await caller.call("add", a=1, b=1)).status == "error"

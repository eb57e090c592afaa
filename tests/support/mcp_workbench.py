"""The MCP test server over each transport, and calls of its tools as the driver makes them."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from agents.conversation import Conversation
from agents.mcp.pool import McpPool
from agents.mcp.server import McpServer
from agents.tools import ToolContext, ToolOutcome, run_tool
from tests.servers.process import free_port

SERVER = Path(__file__).with_name("mcp_server.py")
RAW_SERVER = SERVER.with_name("mcp_raw_server.py")
PATIENCE = 60.0
"""Seconds; a server imports the whole SDK when it starts."""
AWAY = re.compile(r"The MCP server t cannot be reached: .+\.")
BROKE = (
    "The MCP server t cannot be reached. "
    "If it had begun with the call, the outcome is unknown: find out before you repeat it."
)


class Clock:
    """A clock that stands still unless a test moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def over_stdio(*options: str, **fields: Any) -> McpServer:
    """The test server as a child process."""
    command = (sys.executable, str(SERVER), "stdio", *options)
    return McpServer(name="t", command=command, **{"trust": "auto", "connect_timeout": PATIENCE, **fields})


def listing(*tools: Any, **fields: Any) -> McpServer:
    """A server over stdio that lists exactly these entries."""
    command = (sys.executable, str(RAW_SERVER), json.dumps(tools))
    return McpServer(name="t", command=command, **{"trust": "auto", "connect_timeout": PATIENCE, **fields})


class HttpServer:
    """The test server on a port of its own; the port stays the same after a restart."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self._command = (sys.executable, str(SERVER), "http", str(self.port), *options)
        self._process: subprocess.Popen[bytes] | None = None

    def reached(self, **fields: Any) -> McpServer:
        url = f"http://127.0.0.1:{self.port}/mcp"
        return McpServer(name="t", url=url, **{"trust": "auto", "connect_timeout": PATIENCE, **fields})

    def start(self) -> None:
        self._process = subprocess.Popen(self._command)

    async def ready(self) -> None:
        await until(lambda: listens(self.port))

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Let other tasks run until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - other processes set no event here
            await asyncio.sleep(0.01)


async def rested(conversation: Conversation) -> str:
    """The state of the conversation once it is at rest; it may start a server first."""
    async with asyncio.timeout(PATIENCE):
        return (await conversation.rest()).state


def is_away(outcome: ToolOutcome) -> bool:
    """Whether the outcome says that the server could not be reached, and why."""
    return outcome.status == "error" and AWAY.fullmatch(str(outcome.content)) is not None


class Caller:
    """Calls the tools of one server; `progress` is what the calls reported."""

    def __init__(self, pool: McpPool, server: McpServer) -> None:
        self.pool = pool
        self.servers: Sequence[McpServer] = [server]
        self.progress: list[Any] = []

    async def names(self) -> list[str]:
        return [tool.name for tool in await self.pool.tools(self.servers)]

    async def call(self, name: str, /, **arguments: Any) -> ToolOutcome:
        tool = await self.pool.find(self.servers, f"t__{name}")
        assert tool is not None, f"no tool is called {name}"
        return await run_tool(tool, arguments, ToolContext("c", "call-1", progress=self.progress.append))

    async def read(self, name: str, /, **arguments: Any) -> Any:
        """The content of a successful call."""
        outcome = await self.call(name, **arguments)
        assert outcome.status == "ok", outcome
        return outcome.content

    async def pid(self) -> int:
        return int(await self.read("pid"))

    async def heard(self) -> list[str]:
        """The texts that were echoed, and which calls began or stopped to hang."""
        content = await self.read("heard")
        blocks = [{"text": content}] if isinstance(content, str) else content
        return [block["text"] for block in blocks][:-1]

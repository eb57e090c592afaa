"""A real MCP server, written with the official SDK: `server.py stdio [old]` or `server.py http PORT [old]`.

With `old` it speaks only the older protocol, in which clients hold sessions.
"""

import asyncio
import os
import sys
from typing import Any

import mcp_types
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.runner import serve_loop
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

PNG = bytes.fromhex("89504e470d0a1a0a")

server = MCPServer("test", log_level="CRITICAL")
calls: list[str] = []


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool(structured_output=False)
def echo(text: str) -> str:
    """Say it again."""
    calls.append(text)
    return text


@server.tool(structured_output=False)
def heard() -> list[str]:
    """All that was ever echoed."""
    return [*calls, "that is all"]


@server.tool()
def picture() -> Image:
    """Draw."""
    return Image(data=PNG, format="png")


@server.tool()
def weather() -> dict[str, Any]:
    """Tell the weather as data."""
    return {"sky": "blue", "degrees": 21}


@server.tool()
def mixed() -> mcp_types.CallToolResult:
    """Words for people, data for programs."""
    words = mcp_types.TextContent(text="It is fine.")
    return mcp_types.CallToolResult(content=[words], structured_content={"degrees": 21})


@server.tool()
def nothing() -> None:
    """Do nothing."""


@server.tool()
def fail(reason: str) -> str:
    """Fail."""
    raise ValueError(reason)


@server.tool()
def refuse() -> str:
    """Break the protocol's own way."""
    raise MCPError(-32000, "not today")


@server.tool()
def pid() -> int:
    """The process."""
    return os.getpid()


@server.tool()
async def hang(context: Context, label: str) -> str:
    """Report that it has begun, and never end."""
    calls.append(f"began {label}")
    await context.report_progress(1, 3, f"began {label}")
    try:
        await asyncio.Event().wait()
    finally:
        calls.append(f"stopped {label}")
    return "never"


@server.tool()
def headers(context: Context) -> dict[str, str]:
    """What came over HTTP."""
    return dict(context.headers or {})


@server.tool(structured_output=False)
def key(context: Context) -> str:
    """The name of the call."""
    meta: Any = context.request_context.meta
    return str(meta["raylogue/tool_call_id"])


@server.tool()
def environment() -> list[str]:
    """The names of the variables."""
    return sorted(os.environ)


@server.tool(name="odd.name/with a very long tail that goes on and on and on and on and on")
def odd() -> str:
    """Have a name that no model may use."""
    return "odd"


@server.tool(structured_output=False)
async def learn(context: Context, name: str) -> str:
    """Get a new tool."""

    def learned() -> str:
        return f"I am {name}"

    server.add_tool(learned, name=name, description="New.")
    if context.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS:
        await context.session.send_tool_list_changed()
    else:
        await context.notify_tools_changed()
    return "learned"


async def speak_only_the_old() -> None:
    lowlevel = server._lowlevel_server
    async with stdio_server() as (reads, writes), lowlevel.lifespan(lowlevel) as state:
        await serve_loop(
            lowlevel, reads, writes, lifespan_state=state, init_options=lowlevel.create_initialization_options()
        )


async def know_only_the_old(context: Any, call_next: Any) -> Any:
    if context.method == "server/discover":
        raise MCPError(mcp_types.METHOD_NOT_FOUND, "Method not found")
    return await call_next(context)


if __name__ == "__main__":
    way, *options = sys.argv[1:]
    if "old" in options:
        server.middleware.append(know_only_the_old)
    if way == "stdio":
        asyncio.run(speak_only_the_old() if "old" in options else server.run_stdio_async())
    else:
        server.run("streamable-http", host="127.0.0.1", port=int(options[0]))

"""One execution of a server tool, from the logged call to its outcome; runs as a task of its own."""

from collections.abc import Callable
from typing import Any

from agents.agent import Agent
from agents.tools import ToolContext, ToolOutcome, run_tool
from agents.turn.commands import RunTool


async def call_tool(
    agent: Agent, conversation_id: str, command: RunTool, progress: Callable[[Any], None]
) -> ToolOutcome:
    """Never raises: whatever happens becomes an outcome that the model can read."""
    call = command.call
    tool = agent.tool(call.name)
    if tool is None:
        return ToolOutcome(f"The tool {call.name} does not exist any more.", "error")
    context = ToolContext(
        conversation_id=conversation_id,
        tool_call_id=call.tool_call_id,
        turn=call.turn,
        principal=command.principal,
        progress=progress,
    )
    return await run_tool(tool, dict(command.arguments), context)

"""Typed functions that a model may call: how they are defined, checked and run."""

from agents.tools.content import Document, Image
from agents.tools.decorator import provider_tool, tool
from agents.tools.run import run_tool
from agents.tools.schema import bind
from agents.tools.tool import Tool, ToolContext, ToolOutcome

__all__ = [
    "Document",
    "Image",
    "Tool",
    "ToolContext",
    "ToolOutcome",
    "bind",
    "provider_tool",
    "run_tool",
    "tool",
]

"""Typed functions that a model may call: how they are defined, checked and run, and three examples."""

from agents.tools.announcement import announce
from agents.tools.arguments import bind
from agents.tools.calculator import calculator
from agents.tools.clock import clock
from agents.tools.content import Document, Image
from agents.tools.decorator import provider_tool, tool
from agents.tools.run import run_tool
from agents.tools.tool import Tool, ToolContext, ToolOutcome

__all__ = [
    "Document",
    "Image",
    "Tool",
    "ToolContext",
    "ToolOutcome",
    "announce",
    "bind",
    "calculator",
    "clock",
    "provider_tool",
    "run_tool",
    "tool",
]

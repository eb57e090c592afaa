"""Checks the arguments of a call against the tool's parameters, and gives them the types that the function expects."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agents.errors import ToolError
from agents.tools.tool import Tool

MAX_PROBLEMS = 5


def bind(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name, for the tool's function; raises ToolError with what is wrong with them."""
    if tool.signature is None:
        return dict(arguments)
    try:
        values = tool.signature.arguments.validate_python(dict(arguments))
    except ValidationError as error:
        raise ToolError(_problems(tool, error)) from error
    return {name: getattr(values, name) for name in tool.signature.names}


def _problems(tool: Tool, error: ValidationError) -> str:
    problems = [
        f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    more = f" (and {len(problems) - MAX_PROBLEMS} more)" if len(problems) > MAX_PROBLEMS else ""
    return f"Invalid arguments for {tool.name}: {'; '.join(problems[:MAX_PROBLEMS])}{more}"

"""Makes tools of what a server lists. What a provider would refuse is mended, or left out by itself, with a warning."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import mcp_types
from pydantic import BeforeValidator, TypeAdapter

from agents.errors import ToolDefinitionError
from agents.mcp.definition import ServerDefinition, exposed_name
from agents.mcp.input_schema import MendedSchema, UnusableSchema, mend_schema
from agents.storable import storable_text
from agents.tools.checks import check
from agents.tools.tool import Signature, Tool, ToolContext
from agents.turn.approvers import read_approvers
from agents.turn.events import Approval

Call = Callable[[str, dict[str, Any], ToolContext], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class RawArguments:
    """The arguments of a call as they came: the server checks them against its own schema."""

    arguments: dict[str, Any]


ANY_OBJECT = TypeAdapter(Annotated[RawArguments, BeforeValidator(lambda arguments: {"arguments": arguments})])


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool for the model, the server's own name for it, and the server's own keys of what was renamed."""

    tool: Tool
    name: str
    original_keys: Mapping[str, str] = field(default_factory=dict)

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the server names them."""
        return {self.original_keys.get(key, key): value for key, value in given.items()}


@dataclass(frozen=True, slots=True)
class Offer:
    """The tools of a server by the names that the model knows, and a sentence on each that was changed or left out."""

    tools: Mapping[str, OfferedTool] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def make_offer(
    server: ServerDefinition, listed: Sequence[mcp_types.Tool], call: Call, problems: Sequence[str] = ()
) -> Offer:
    """`call` gets the model's name of the tool; `problems` are warnings from before."""
    tools: dict[str, OfferedTool] = {}
    warnings = list(problems)
    for tool in listed:
        name = exposed_name(server.name, tool.name)
        shown = repr(storable_text(tool.name))[:200]
        if name in tools:
            warnings.append(f"Its tool {shown} is left out: it lists two of that name.")
            continue
        try:
            mended = mend_schema(tool.input_schema)
            made = _tool(server, name, tool, mended, partial(call, name))
            check(made)
        except (UnusableSchema, ToolDefinitionError) as error:
            problem = error.problem if isinstance(error, ToolDefinitionError) else error.args[0]
            warnings.append(f"Its tool {shown} is left out: {problem}.")
            continue
        tools[name] = OfferedTool(made, tool.name, mended.original_keys)
        changes = list(mended.changes)
        if name != f"{server.name}__{tool.name}":
            changes.append(f"it is called {name}")
        if changes:
            warnings.append(f"Its tool {shown} is changed: {'; '.join(changes)}.")
    return Offer(tools, [storable_text(warning) for warning in warnings])


def unlisted_tool(server: ServerDefinition, name: str, function: Callable[..., Any]) -> Tool:
    """The tool called `name` of a server that was never reached."""
    listed = mcp_types.Tool(name=name, input_schema={"type": "object"})
    return _tool(server, name, listed, MendedSchema({"type": "object"}), function)


def _tool(
    server: ServerDefinition, name: str, tool: mcp_types.Tool, mended: MendedSchema, function: Callable[..., Any]
) -> Tool:
    description = tool.description or tool.title or tool.name
    return Tool(
        name=name,
        description=storable_text("\n\n".join(filter(None, (description, mended.hint)))),
        input_schema=mended.schema,
        trust=server.trust,
        approval=_approval(server),
        approvers=read_approvers(server.approvers),
        timeout=server.timeout,
        on_unknown_outcome="report",
        function=function,
        signature=Signature(ANY_OBJECT, ("arguments",), "context"),
    )


def _approval(server: ServerDefinition) -> Approval:
    return server.approval if server.trust == "user_configurable" else _APPROVALS[server.trust]


_APPROVALS: dict[str, Approval] = {"auto": "auto", "requires_approval": "required"}

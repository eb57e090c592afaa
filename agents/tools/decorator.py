"""`@tool`: makes a Tool of a typed function and refuses a definition that could not work."""

import inspect
import re
from collections.abc import Callable
from typing import Any, overload

from agents.errors import ToolDefinitionError
from agents.tools.schema import read_signature
from agents.tools.tool import Tool
from agents.turn.events import Approval, Executor, UnknownOutcome

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
EXECUTORS = ("server", "human", "client", "provider")
APPROVALS = ("auto", "required")
UNKNOWN_OUTCOMES = ("repeat", "report")
GATEABLE = ("server", "client")

Function = Callable[..., Any]


@overload
def tool(function: Function) -> Tool: ...


@overload
def tool(
    *,
    executor: Executor = "server",
    approval: Approval = "auto",
    timeout: float = 60.0,
    on_unknown_outcome: UnknownOutcome = "repeat",
    name: str | None = None,
) -> Callable[[Function], Tool]: ...


def tool(
    function: Function | None = None,
    *,
    executor: Executor = "server",
    approval: Approval = "auto",
    timeout: float = 60.0,
    on_unknown_outcome: UnknownOutcome = "repeat",
    name: str | None = None,
) -> Tool | Callable[[Function], Tool]:
    """Make a Tool of a function, sync or async, with or without options; mistakes raise ToolDefinitionError.

    The docstring becomes the description, the annotations the schema; parameters are described with
    `Annotated[str, Field(description=...)]`. `timeout` is in seconds. `executor` says who runs the call:
    "server" runs the function here, "client" and "human" wait for an answer from outside.
    `on_unknown_outcome` says what becomes of a call that a crash interrupted: done again with the same id, or
    reported to the model.
    """

    def define(function: Function) -> Tool:
        title = name if name is not None else str(getattr(function, "__name__", ""))
        description = inspect.getdoc(function) or ""
        _check_words(title, description)
        _check_axes(title, executor, approval)
        _check_failure_rules(title, timeout, on_unknown_outcome)
        signature, schema = read_signature(title, function)
        return Tool(
            name=title,
            description=description,
            input_schema=schema,
            executor=executor,
            approval=approval,
            timeout=timeout,
            on_unknown_outcome=on_unknown_outcome,
            function=function,
            signature=signature,
        )

    return define if function is None else define(function)


def provider_tool(kind: str, name: str, **options: Any) -> Tool:  # noqa: ANN401 - the provider's own options
    """A tool that the provider runs itself, such as `provider_tool("web_search_20250305", "web_search")`."""
    _check_words(name, kind)
    definition = {"type": kind, "name": name, **options}
    return Tool(name=name, description=kind, input_schema={}, executor="provider", provider_definition=definition)


def _check_words(name: str, description: str) -> None:
    if not NAME.fullmatch(name):
        raise ToolDefinitionError(name, "a name has 1 to 64 letters, digits, `_` or `-`")
    if not description:
        raise ToolDefinitionError(name, "the docstring is missing: it tells the model when to call the tool")


def _check_axes(name: str, executor: str, approval: str) -> None:
    if executor not in EXECUTORS:
        raise ToolDefinitionError(name, f"executor is one of {', '.join(EXECUTORS)}, not {executor!r}")
    if approval not in APPROVALS:
        raise ToolDefinitionError(name, f"approval is one of {', '.join(APPROVALS)}, not {approval!r}")
    if executor == "provider":
        raise ToolDefinitionError(name, "a tool that the provider runs is made by provider_tool()")
    if approval == "required" and executor not in GATEABLE:
        raise ToolDefinitionError(name, f"approval is legal for server and client only, not for {executor}")


def _check_failure_rules(name: str, timeout: float, on_unknown_outcome: str) -> None:
    if not timeout > 0:
        raise ToolDefinitionError(name, "timeout must be a positive number of seconds")
    if on_unknown_outcome not in UNKNOWN_OUTCOMES:
        raise ToolDefinitionError(name, f"on_unknown_outcome is one of {', '.join(UNKNOWN_OUTCOMES)}")

"""`@tool`: makes a Tool of a typed function, and refuses a definition that cannot work."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypedDict, Unpack, overload

from pydantic_core import PydanticSerializationError, to_json

from agents.errors import ToolDefinitionError
from agents.tools.checks import NAME, check
from agents.tools.schema import read_signature
from agents.tools.tool import Tool, ToolContext
from agents.turn.approvers import Approver, read_approvers
from agents.turn.events import Approval, Decision, Executor, Trust, UnknownOutcome

Function = Callable[..., Any]


class Options(TypedDict, total=False):
    """The options of a definition; `Tool` says what each means."""

    name: str
    executor: Executor
    approval: Approval
    trust: Trust
    decisions: Sequence[Decision]
    approvers: Approver | Sequence[Approver] | None
    timeout: float
    retries: int
    concurrency: int | None
    ray: Mapping[str, Any] | None
    on_unknown_outcome: UnknownOutcome
    form: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None
    check_answer: Callable[[Mapping[str, Any], Any], Any] | None
    on_cancel: Callable[[Mapping[str, Any], ToolContext], Awaitable[None]] | None


@overload
def tool(function: Function) -> Tool: ...


@overload
def tool(**options: Unpack[Options]) -> Callable[[Function], Tool]: ...


def tool(function: Function | None = None, **options: Unpack[Options]) -> Tool | Callable[[Function], Tool]:
    """Make a Tool of a function, sync or async, with or without options; mistakes raise ToolDefinitionError.

    The docstring becomes the description, the annotations the schema; parameters are described with `Annotated[str,
    Field(description=...)]`. `executor` says who runs the call: "server" runs the function here, "client" and "human"
    wait for an answer from outside. `approval="required"` gates each call; `trust` says who may change that, and
    "user_configurable" takes `approval` as its default. `approvers` says who decides. A call that a crash interrupted
    is run again with the same id, or reported to the model as unknown: `on_unknown_outcome`. A timeout ends the wait,
    not the thread: a sync function runs on, and a retry may run beside it.
    """

    def define(function: Function) -> Tool:
        return _define(function, options)

    return define if function is None else define(function)


def provider_tool(kind: str, name: str, **options: Any) -> Tool:  # noqa: ANN401 - the provider's own options
    """A tool that the provider runs itself, such as `provider_tool("web_search_20250305", "web_search")`."""
    if not NAME.fullmatch(kind):
        raise ToolDefinitionError(name, f"the provider's type has 1 to 64 letters, digits, `_` or `-`, not {kind!r}")
    if "type" in options:
        raise ToolDefinitionError(name, "the provider's type is the first argument")
    definition = {"type": kind, "name": name, **options}
    try:
        to_json(definition)
    except PydanticSerializationError as error:
        raise ToolDefinitionError(name, f"the options cannot be written as JSON: {error}") from error
    made = Tool(name=name, description=kind, input_schema={}, executor="provider", provider_definition=definition)
    check(made)
    return made


def _define(function: Function, options: Options) -> Tool:
    name = options.get("name", str(getattr(function, "__name__", "")))
    if unknown := [key for key in options if key not in Options.__annotations__]:
        raise ToolDefinitionError(name, f"there is no option {unknown[0]}; known: {', '.join(Options.__annotations__)}")
    if not NAME.fullmatch(name):
        raise ToolDefinitionError(name, "a name has 1 to 64 letters, digits, `_` or `-`")
    signature, schema = read_signature(name, function)
    settled: dict[str, Any] = {**options, **_settle_approval(options), "name": name, "approvers": _read(name, options)}
    made = Tool(
        **settled,
        description=inspect.getdoc(function) or "",
        input_schema=schema,
        function=function,
        signature=signature,
    )
    check(made)
    return made


def _read(name: str, options: Options) -> Sequence[Approver]:
    try:
        return read_approvers(options.get("approvers"))
    except ValueError as error:
        raise ToolDefinitionError(name, str(error)) from error


def _settle_approval(options: Options) -> dict[str, str]:
    """Approval and trust; where only one is given, the other follows from it."""
    approval, trust = options.get("approval"), options.get("trust")
    if trust is None:
        trust = "requires_approval" if approval == "required" else "auto"
    if approval is None:
        approval = "required" if trust == "requires_approval" else "auto"
    return {"approval": approval, "trust": trust}

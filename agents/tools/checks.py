"""The rules for a tool's definition: each is a sentence for its author, the first broken one is raised."""

import inspect
import re
from collections.abc import Iterator
from itertools import chain
from typing import get_args

from agents.errors import ToolDefinitionError
from agents.ray_options import is_number, ray_problems
from agents.tools.tool import Tool
from agents.turn.approvers import APPROVERS
from agents.turn.events import Approval, Decision, Executor, Trust, UnknownOutcome

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
PARAMETER = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
"""What the Messages API takes as a key of the schema's properties; those of inner objects are not its concern."""
COMBINATORS = ("anyOf", "oneOf", "allOf")
"""What it takes inside of a schema only."""
EXECUTORS: tuple[str, ...] = get_args(Executor)
APPROVALS: tuple[str, ...] = get_args(Approval)
TRUSTS: tuple[str, ...] = get_args(Trust)
DECISIONS: tuple[str, ...] = get_args(Decision)
UNKNOWN_OUTCOMES: tuple[str, ...] = get_args(UnknownOutcome)
GATEABLE = ("server", "client")


def check(tool: Tool) -> None:
    """Raises ToolDefinitionError with the first rule that the definition breaks."""
    rules = chain(
        _name_rules(tool),
        _schema_rules(tool),
        _axis_rules(tool),
        _approval_rules(tool),
        _bound_rules(tool),
        _form_rules(tool),
        _function_rules(tool),
        _ray_rules(tool),
    )
    for problem in rules:
        raise ToolDefinitionError(tool.name, problem)


def _name_rules(tool: Tool) -> Iterator[str]:
    if not NAME.fullmatch(tool.name):
        yield "a name has 1 to 64 letters, digits, `_` or `-`"
    if not tool.description:
        yield "the docstring is missing: it tells the model when to call the tool"


def _schema_rules(tool: Tool) -> Iterator[str]:
    """What a provider refuses, and with it every other tool of the request."""
    if tool.provider_definition is not None:
        return
    schema = tool.input_schema
    if schema.get("type") != "object" or any(combinator in schema for combinator in COMBINATORS):
        yield f"its schema is that of one object, without {', '.join(COMBINATORS)} at the root"
    for parameter in schema.get("properties", {}):
        if not PARAMETER.fullmatch(parameter):
            yield f"a parameter's name has 1 to 64 letters (a to z), digits, `_`, `.` or `-`, unlike {parameter}"


def _axis_rules(tool: Tool) -> Iterator[str]:
    yield from _choice("executor", tool.executor, EXECUTORS)
    yield from _choice("approval", tool.approval, APPROVALS)
    yield from _choice("trust", tool.trust, TRUSTS)
    yield from _choice("on_unknown_outcome", tool.on_unknown_outcome, UNKNOWN_OUTCOMES)
    if tool.executor not in GATEABLE:
        if tool.approval != "auto":
            yield f"approval is legal for server and client only, not for {tool.executor}"
        if tool.trust != "auto":
            yield f"trust is legal for server and client only, not for {tool.executor}"
    if (tool.executor == "provider") != (tool.provider_definition is not None):
        yield "a tool that the provider runs is made by provider_tool()"


def _approval_rules(tool: Tool) -> Iterator[str]:
    if tool.trust == "auto" and tool.approval == "required":
        yield "trust 'auto' asks nobody, but approval is 'required'"
    if tool.trust == "requires_approval" and tool.approval == "auto":
        yield "trust 'requires_approval' cannot be lowered by approval 'auto'"
    if isinstance(tool.decisions, str) or len(set(tool.decisions)) < len(tool.decisions):
        yield "decisions are a list without repetitions"
    for decision in tool.decisions:
        yield from _choice("each of decisions", decision, DECISIONS)
    if tool.decisions and tool.trust == "auto":
        yield "decisions are for calls that may need an approval"
    for approver in tool.approvers:
        yield from _choice("each of approvers", approver, APPROVERS)
    if tool.approvers and tool.executor != "human" and tool.trust != "requires_approval":
        yield "approvers are for calls that always wait for people: set approval='required'"


def _bound_rules(tool: Tool) -> Iterator[str]:
    if not (is_number(tool.timeout) and tool.timeout > 0):
        yield "timeout must be a positive number of seconds"
    if not (_is_whole(tool.retries) and tool.retries >= 0):
        yield "retries must be a whole number, 0 or more"
    if tool.concurrency is not None and not (_is_whole(tool.concurrency) and tool.concurrency >= 1):
        yield "concurrency must be a whole number, 1 or more"
    if tool.executor != "server" and (tool.retries or tool.concurrency is not None):
        yield f"retries and concurrency are for the server's tools: nothing of {tool.executor} runs here"


def _form_rules(tool: Tool) -> Iterator[str]:
    if tool.executor != "human" and (tool.form is not None or tool.check_answer is not None):
        yield "form and check_answer are for executor 'human'"


def _function_rules(tool: Tool) -> Iterator[str]:
    if inspect.isgeneratorfunction(tool.function) or inspect.isasyncgenfunction(tool.function):
        yield "it yields: return the result, and tell of the work with ToolContext.progress"


def _ray_rules(tool: Tool) -> Iterator[str]:
    if tool.ray is None:
        return
    if tool.executor != "server":
        yield "ray is for executor 'server'"
    if not inspect.isfunction(tool.function):
        yield "ray needs a plain function, sync or async: it is sent to another process"
    yield from ray_problems(tool.ray)


def _choice(what: str, found: object, known: tuple[str, ...]) -> Iterator[str]:
    if found not in known:
        yield f"{what} is one of {', '.join(known)}, not {found!r}"


def _is_whole(value: object) -> bool:
    return type(value) is int

"""The tool calls that a finished answer proposes, each joined with what its tool's definition says about it."""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count
from typing import Any

import structlog

from agents.agent import Agent
from agents.conversation.history import History
from agents.errors import ToolError
from agents.models import Completed
from agents.storable import storable_text, storage_problem
from agents.tools import Tool, bind
from agents.turn.answers import UNFINISHED_CALL
from agents.turn.events import UNFINISHED, Block
from agents.turn.inputs import ModelRef, ProposedCall

_TOOL_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")

MALFORMED = "The arguments are not a JSON object; send them again."
UNSTORABLE = "The arguments cannot be stored: {}. Send them again without that."

MAX_NAME = 128
"""How much of a name that the model made up is repeated to it."""

log = structlog.get_logger(__name__)


def propose_calls(
    answer: Completed,
    ref: ModelRef,
    agent: Agent,
    tools: Mapping[str, Tool],
    history: History,
    problem_of: Callable[[str], str | None] = lambda name: None,
) -> tuple[Sequence[Block], Sequence[ProposedCall]]:
    """The content as it is logged, with calls by reference, and the calls, which still lack their expiry.

    `problem_of` says why a tool of that name is missing, where more is known than that it does not exist.
    """
    content: list[Block] = []
    calls: list[ProposedCall] = []
    new_ids: set[str] = set()
    for block in answer.content:
        if block["type"] != "tool_use":
            content.append(block)
            continue
        tool_call_id = _choose_id(block["id"], ref, len(calls), history, new_ids)
        new_ids.add(tool_call_id)
        call = _make_call(block, tool_call_id, agent, tools, problem_of)
        if answer.stop_reason in UNFINISHED:
            call = replace(call, refusal=UNFINISHED_CALL.format(answer.stop_reason))
        calls.append(call)
        content.append({"type": "tool_call", "tool_call_id": tool_call_id})
    return content, calls


def _choose_id(provider_id: str, ref: ModelRef, position: int, history: History, new_ids: Container[str]) -> str:
    """The provider's id, unless this conversation may have used it: not every server makes unique ids.

    Our own ids are unique by construction; once older events are not in memory, only these are used.
    """
    own = (f"call_{ref.turn}_{ref.step}_{ref.attempt}_{number}" for number in count(position))
    trusted = _TOOL_CALL_ID.fullmatch(provider_id) and not history.is_partial
    candidates = chain([provider_id] if trusted else [], own)
    return next(key for key in candidates if key not in history.tool_call_ids and key not in new_ids)


def _make_call(
    block: dict[str, Any],
    tool_call_id: str,
    agent: Agent,
    tools: Mapping[str, Tool],
    problem_of: Callable[[str], str | None],
) -> ProposedCall:
    name, arguments = storable_text(block["name"]), block["input"]
    problem = storage_problem(arguments)
    if problem is not None:
        arguments = {}
    tool = tools.get(name)
    if tool is None:
        unknown = problem_of(name) or f"There is no tool named {name[:MAX_NAME]}. Tools: {', '.join(tools) or 'none'}."
        return ProposedCall(tool_call_id=tool_call_id, name=name, arguments=arguments, refusal=unknown)
    unusable = UNSTORABLE.format(problem) if problem else MALFORMED if "malformed" in block else None
    form, refusal = _check_arguments(tool, arguments) if unusable is None else (None, unusable)
    return ProposedCall(
        tool_call_id=tool_call_id,
        name=name,
        arguments=arguments,
        executor=tool.executor,
        approval=tool.approval,
        trust=tool.trust,
        on_unknown_outcome=tool.on_unknown_outcome,
        prompt=_prompt(tool.description),
        refusal=refusal,
        decisions=tool.decisions,
        approvers=tool.approvers,
        form=form,
        ends_turn=name == agent.until_tool,
    )


def _check_arguments(tool: Tool, arguments: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str | None]:
    """The form that people fill in, if any, and why the call cannot run: then no person is asked about it."""
    try:
        bind(tool, arguments)
        form = None if tool.form is None else tool.form(arguments)
    except ToolError as error:
        return None, storable_text(error.message)
    except Exception:
        log.exception("arguments_not_checked", tool=tool.name)
        return None, f"The arguments for {tool.name} cannot be checked."
    if (unstorable := storage_problem(form)) is not None:
        return None, f"The form of {tool.name} cannot be stored: {unstorable}."
    return form, None


def _prompt(description: str) -> str:
    """What a person is asked: the first line of what the tool says of itself."""
    return description.strip().partition("\n")[0]

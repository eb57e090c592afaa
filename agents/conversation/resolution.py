"""Checks an answer from outside against the tool and the question it is for, before the machine takes it."""

from dataclasses import replace

import structlog

from agents.errors import Refused, ToolError
from agents.tools import Tool, bind
from agents.tools.forms import check_form_answer
from agents.turn.facts import OpenCall
from agents.turn.inputs import Resolve

log = structlog.get_logger(__name__)


def checked(resolution: Resolve, call: OpenCall, tool: Tool | None) -> Resolve:
    """The resolution, with the answer as the model will read it. Raises `Refused` for what the tool cannot take."""
    try:
        return _checked(resolution, call, tool)
    except ToolError as error:
        raise Refused("invalid_decision", error.message) from error
    except Exception as error:
        log.exception("answer_not_checked", tool=call.call.name, tool_call_id=call.call.tool_call_id)
        raise Refused("invalid_decision", "This answer cannot be checked.") from error


def _checked(resolution: Resolve, call: OpenCall, tool: Tool | None) -> Resolve:
    suspension = call.suspension
    if suspension is None:
        return resolution
    asked_by_tool = tool if not suspension.resumes else None  # what a running tool asks is not what it is called with
    if resolution.decision == "edit" and resolution.arguments is not None and asked_by_tool is not None:
        bind(asked_by_tool, resolution.arguments)
    if resolution.decision != "respond" or suspension.kind == "approval":
        return resolution  # a response to an approval is the person's own word, not the tool's result
    if asked_by_tool is not None and asked_by_tool.check_answer is not None:
        return replace(resolution, answer=asked_by_tool.check_answer(call.arguments, resolution.answer))
    if suspension.form is not None and "questions" in suspension.form:
        return replace(resolution, answer=check_form_answer(suspension.form, resolution.answer))
    return resolution

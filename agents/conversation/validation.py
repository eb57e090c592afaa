"""Checks what comes from outside and completes it, before the turn machine takes it.

A message and a resolution are checked while their caller waits, for middleware and tools may take their time. What
depends on the moment of the decision is added by `complete_input`, and by nothing else.
"""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from agents.agent import Agent
from agents.context import AgentContext, in_context
from agents.conversation.journal import RESERVED
from agents.conversation.runtime import ConversationRuntime
from agents.conversation.streaming_message import StreamingMessage
from agents.errors import MiddlewareError, Refused, ToolError
from agents.storable import record_problem
from agents.tools import Tool, bind
from agents.tools.content import is_blank, problem_of, problem_of_bytes, with_true_type
from agents.tools.forms import check_form_answer
from agents.turn import Input
from agents.turn.events import Block, blocks_of
from agents.turn.facts import OpenCall
from agents.turn.inputs import Cancel, ModelFailed, RecordDelivery, Resolve, UserMessage

log = structlog.get_logger(__name__)


async def validate_message(
    message: UserMessage, runtime: ConversationRuntime, context: AgentContext | None = None
) -> UserMessage:
    """The message as the agent and its middleware want it logged; `context` came with it. Raises `Refused`."""
    agent = runtime.agent
    if (problem := record_problem(message)) is not None:
        raise Refused("invalid_request", f"This message cannot be stored: {problem}.")
    if message.client_id is not None and message.client_id.startswith(RESERVED):
        raise Refused("invalid_request", "A client id does not begin with a NUL character.")
    if message.model is not None and message.model not in agent.models:
        raise Refused("unknown_model", f"{agent.name} has no model called {message.model}.")
    message = replace(message, content=[with_true_type(block) for block in message.content])
    if problem := next(filter(None, map(problem_of_bytes, message.content)), None):
        raise Refused("unreadable_attachment", f"Nothing was sent: {problem}.")
    if message.on_busy is None:
        message = replace(message, on_busy=agent.on_busy)
    if not runtime.stack.handles_messages:
        return message
    try:
        with in_context(runtime.message_context(message, context)):
            return await runtime.stack.handle_message(message, runtime.contexts(message.principal))
    except MiddlewareError as error:
        conversation_id = runtime.journal.conversation_id
        log.exception("middleware_failed", middleware=error.middleware, conversation_id=conversation_id)
        raise Refused("middleware_failed", f"The message was not taken: {error}.") from error


async def validate_resolution(resolution: Resolve, call: OpenCall | None, runtime: ConversationRuntime) -> Resolve:
    """The resolution with its answer as the model will read it. Raises `Refused` if the tool cannot take it.

    `call` is the one that waits for it, if any.
    """
    require_storable(resolution)
    if call is None:
        return resolution
    tool = await runtime.toolset.find(call.call.name)
    try:
        checked = _check_resolution(resolution, call, tool)
    except ToolError as error:
        raise Refused("invalid_decision", error.message) from error
    except Exception as error:
        log.exception("answer_not_checked", tool=call.call.name, tool_call_id=call.call.tool_call_id)
        raise Refused("invalid_decision", "This answer cannot be checked.") from error
    require_storable(checked)
    return checked


def require_storable(command: Resolve | RecordDelivery) -> None:
    """Raises `Refused` if the log cannot hold it."""
    code, what = ("invalid_decision", "decision") if isinstance(command, Resolve) else ("invalid_request", "delivery")
    if (problem := record_problem(command)) is not None:
        raise Refused(code, f"This {what} cannot be stored: {problem}.")


def complete_input(happened: Input, agent: Agent, streaming: StreamingMessage | None, now: int) -> Input:
    """Add the model's text so far to what ends its call, and to a resolution when a client's time is over."""
    match happened:
        case Resolve():
            return replace(happened, expires_at=now + round(agent.expiries.client * 1000))
        case UserMessage() | Cancel() if streaming is not None:
            return replace(happened, partial=streaming.partial())
        case ModelFailed() if streaming is not None and streaming.ref == happened.ref:
            return replace(happened, partial=streaming.partial())
        case _:
            return happened


def _check_resolution(resolution: Resolve, call: OpenCall, tool: Tool | None) -> Resolve:
    suspension = call.suspension
    if suspension is None:
        return resolution
    if suspension.kind == "client_exec" and (blocks := blocks_of(resolution.answer)) is not None:
        return replace(resolution, answer=_readable(blocks))
    called = None if suspension.resumes else tool  # what a running tool asks has nothing to do with its parameters
    if resolution.decision == "edit" and resolution.arguments is not None and called is not None:
        bind(called, resolution.arguments)
    if resolution.decision != "respond" or suspension.kind == "approval":
        return resolution  # a response to an approval is the person's own word, not the tool's result
    if called is not None and called.check_answer is not None:
        return replace(resolution, answer=called.check_answer(call.arguments, resolution.answer))
    if suspension.form is not None and "questions" in suspension.form:
        return replace(resolution, answer=check_form_answer(suspension.form, resolution.answer))
    return resolution


def _readable(blocks: Sequence[Block]) -> list[Block]:
    """A client's content as a provider accepts it, without blank texts. Raises `ToolError`."""
    readable = [with_true_type(block) for block in blocks if not is_blank(block)]
    if problem := next(filter(None, map(problem_of, readable)), None):
        raise ToolError(f"The answer cannot be shown to the model: {problem}.")
    if not readable:
        raise ToolError("The answer has no content.")
    return readable

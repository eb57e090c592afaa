"""OrphanGuard: ends the work of a sub-agent when the parent's call has ended without it."""

import asyncio
from contextlib import suppress

import structlog

from agents.errors import Refused, TurnStopped
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware, ToolRun
from agents.middleware.pipeline.store_retry import retry_while_store_is_away
from agents.middleware.pipeline.turn_context import TurnContext
from agents.middleware.sub_agent.log_reader import read_result
from agents.tools import ToolOutcome
from agents.turn.commands import RunTool
from agents.turn.events import UserMsg

log = structlog.get_logger(__name__)

NOT_BEGUN = "Not executed: the call that this was done for is over."
LOOK_SECONDS = 30.0
"""How often a waiting sub-agent reads its parent's log.

A cancel reaches the sub-agent at once, unless the parent dies before it has sent it.
"""


class OrphanGuard(Middleware):
    """Part of every sub-agent: cancels its turn when the parent's call has ended without it, or is gone.

    It reads the parent's log before each call of the model or of a tool. While the sub-agent waits for people, who
    might never answer, it does so from time to time.
    """

    async def on_start(self, context: TurnContext) -> None:
        if context.meta.parent is not None and not _is_done(context):
            context.background(_watch_parent_call(context))

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        if _works_for_parent(context) and await _parent_call_status(context) == "given up":
            await _cancel(context)
            raise TurnStopped("given_up", "The call that this was done for is over.")
        return request

    async def run_tool(self, command: RunTool, run: ToolRun, context: TurnContext) -> ToolOutcome:
        """Begin no call once the parent's has ended: its cancel may not have arrived here."""
        if _works_for_parent(context) and await _parent_call_status(context) == "given up":
            await _cancel(context)
            return ToolOutcome(NOT_BEGUN, "error")
        return await run(command)


async def _watch_parent_call(context: TurnContext) -> None:
    while (status := await _parent_call_status(context)) == "open":  # noqa: ASYNC110 - the parent sends no event to us
        await asyncio.sleep(LOOK_SECONDS)
    if status == "given up":
        await _cancel(context)


async def _parent_call_status(context: TurnContext) -> str:
    """Whether the parent's call is "open", was "answered" by this sub-agent, or was "given up"."""
    meta = context.meta
    assert meta.parent is not None
    assert meta.parent_call is not None
    call = (context.services.store, meta.parent, meta.parent_call, meta.parent_seq)
    try:
        result = await retry_while_store_is_away(lambda: read_result(*call))
    except LookupError:
        return "given up"
    if result is None:
        return "open"
    return "answered" if result.status == "ok" else "given up"


async def _cancel(context: TurnContext) -> None:
    log.info("sub_agent_given_up", conversation_id=context.conversation_id, parent=context.meta.parent)
    with suppress(Refused):  # its turn has just ended by itself
        await context.services.conversations.cancel(context.conversation_id, context.principal, _task_turn(context))


def _task_turn(context: TurnContext) -> int | None:
    """The turn that the parent's message began; None before that, and when the turn is not in the working set."""
    messages = (event for event in context.events if isinstance(event, UserMsg))
    return next((message.turn for message in messages if message.client_id == context.meta.parent_call), None)


def _works_for_parent(context: TurnContext) -> bool:
    """Whether the current turn is the parent's: people may begin later turns with a sub-agent that has finished."""
    return context.meta.parent is not None and _task_turn(context) == context.turn


def _is_done(context: TurnContext) -> bool:
    turn = _task_turn(context)
    if turn is None:
        return context.facts.turn > 0
    return context.facts.turn > turn or not context.facts.running

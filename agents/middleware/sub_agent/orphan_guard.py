"""What ties a sub-agent to the call it works for: when that call is over without it, so is its work."""

import asyncio
from contextlib import suppress

import structlog

from agents.errors import Refused, TurnStopped
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.request import Request
from agents.middleware.pipeline.store_retry import wait_out
from agents.middleware.pipeline.turn_context import TurnContext
from agents.middleware.sub_agent.reading import read_result
from agents.turn.events import UserMsg

log = structlog.get_logger(__name__)

LOOK_SECONDS = 30.0
"""How often a sub-agent looks up. A cancel reaches it at once, unless its parent dies before it could say so."""


class OrphanGuard(Middleware):
    """Part of every sub-agent: cancels its turn when the parent's call has ended without it, or is gone.

    It looks before each call of the model, and now and then while it waits for people, who might never answer.
    """

    async def on_start(self, context: TurnContext) -> None:
        if context.meta.parent is not None and not _is_done(context):
            context.background(_watch(context))

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        if _works_for_parent(context) and await _fate(context) == "given up":
            await _cancel(context)
            raise TurnStopped("given_up", "The call that this was done for is over.")
        return request


async def _watch(context: TurnContext) -> None:
    while (fate := await _fate(context)) == "open":  # noqa: ASYNC110 - the parent has no event for us
        await asyncio.sleep(LOOK_SECONDS)
    if fate == "given up":
        await _cancel(context)


async def _fate(context: TurnContext) -> str:
    """What became of the parent's call: "open", "answered" by this sub-agent, or "given up"."""
    meta = context.meta
    assert meta.parent is not None
    assert meta.parent_call is not None
    call = (context.services.store, meta.parent, meta.parent_call, meta.parent_seq)
    try:
        result = await wait_out(lambda: read_result(*call))
    except LookupError:
        return "given up"
    if result is None:
        return "open"
    return "answered" if result.status == "ok" else "given up"


async def _cancel(context: TurnContext) -> None:
    log.info("sub_agent_given_up", conversation_id=context.conversation_id, parent=context.meta.parent)
    with suppress(Refused):  # it has just come to its end by itself
        await context.services.conversations.cancel(context.conversation_id, context.principal)


def _task_turn(context: TurnContext) -> int | None:
    """The turn that the parent's message began; None before it came, and when it is long over."""
    messages = (event for event in context.events if isinstance(event, UserMsg))
    return next((message.turn for message in messages if message.client_id == context.meta.parent_call), None)


def _works_for_parent(context: TurnContext) -> bool:
    """Whoever talks on with a sub-agent that is done talks with it alone."""
    return context.meta.parent is not None and _task_turn(context) == context.turn


def _is_done(context: TurnContext) -> bool:
    turn = _task_turn(context)
    if turn is None:
        return context.facts.turn > 0
    return context.facts.turn > turn or not context.facts.running

"""One call of `task`: starts the sub-agent's conversation, forwards answers to it, and follows it to its end.

Every step can be repeated after a crash: the conversation's id follows from the call, its message carries the call's
id, and an answer is for one suspension only.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import orjson
import structlog

from agents.errors import AgentError, Refused, Superseded, ToolError
from agents.interrupt import Interrupt
from agents.middleware.sub_agent.forwarding import interrupt_for, resolution_for, suspension_behind
from agents.middleware.sub_agent.log_reader import CallRecord, Ending, read_call, read_ending, read_turn_of
from agents.ports import ToolServices
from agents.tools import ToolContext
from agents.turn.inputs import UserMessage
from store import ConversationExists, ConversationMeta, ConversationNotFound, StoreUnavailable
from store.errors import MissedEvents
from store.live.subscription import Subscription
from store.records import Parent

T = TypeVar("T")

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
"""How long to wait for a notice, which may be lost, before the log is read nevertheless."""

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.1, 5.0
MAX_FAILURES = 5
"""How often the sub-agent may be unreachable before the call fails.

Not counted are an outage of the store and a transient refusal: the sub-agent moves, or there is no room for it yet.
"""

EVENTS_TO_READ_AFTER = frozenset({"state_changed", "suspended", "turn_ended"})
"""Events after which the log of the sub-agent is read again."""

MAX_ID_CHARACTERS = 128
ID_PREFIX_CHARACTERS, ID_DIGEST_CHARACTERS = 87, 40
"""Of an id that would be too long: how much of its beginning it keeps, and how long the digest of the whole is."""
MAX_TITLE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class SubAgentCall:
    """The work of the sub-agent `agent` for one call of the parent conversation `meta`, in the context of that call."""

    agent: str
    prompt: str
    meta: ConversationMeta
    context: ToolContext
    services: ToolServices

    @property
    def child(self) -> str:
        """The id of the sub-agent's conversation."""
        return child_id(self.meta.id, self.context.tool_call_id)

    async def run(self, seconds: float) -> str:
        """The sub-agent's answer. Raises ToolError if there is none, and Interrupt if it asks people something."""
        try:
            async with asyncio.timeout(seconds):
                return await self._retry(self._run)
        except TimeoutError:
            await self.cancel()
            raise ToolError(f"The sub-agent {self.agent} did not finish within {seconds:g} seconds.") from None

    async def cancel(self) -> None:
        """Cancel the sub-agent's work."""
        with suppress(ToolError):  # it has ended or is gone; if it cannot be reached, its OrphanGuard ends it
            await self._retry(self._cancel)

    async def _retry(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Repeat an operation until it succeeds, or fails for good with an Interrupt or ToolError."""
        failures, pause = 0, FIRST_PAUSE_SECONDS
        while True:
            try:
                return await operation()
            except (Interrupt, ToolError):
                raise
            except (StoreUnavailable, Superseded) as error:
                log.info("sub_agent_out_of_sight", conversation_id=self.child, cause=str(error))
            except ConversationNotFound as error:
                raise ToolError(f"The conversation of the sub-agent {self.agent} was deleted.") from error
            except AgentError as error:
                if not isinstance(error, Refused) or not error.is_transient:
                    raise ToolError(f"The sub-agent {self.agent} cannot work: {error}") from error
            except Exception as error:  # errors of the transport, which the deployment provides, are worth a retry
                failures += 1
                log.warning("sub_agent_not_reached", conversation_id=self.child, cause=repr(error))
                if failures == MAX_FAILURES:
                    raise ToolError(f"The sub-agent {self.agent} cannot be reached.") from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)

    async def _run(self) -> str:
        own = await self._read_own_call()
        await self._create(own)
        turn = await self._send()
        objection = await self._forward_answer(own)
        return await self._follow(turn, objection)

    async def _cancel(self) -> None:
        turn = await read_turn_of(self.services.store, self.child, self.context.tool_call_id)
        if turn is not None:  # if the task is still on its way to the sub-agent, its OrphanGuard ends the turn
            await self.services.conversations.cancel(self.child, self.context.principal, turn)

    async def _read_own_call(self) -> CallRecord:
        own = await read_call(self.services.store, self.meta.id, self.context.tool_call_id)
        if own is None or own.result is not None:
            raise ToolError("This call is over.")  # a newer incarnation has finished it
        return own

    async def _create(self, own: CallRecord) -> None:
        store, child = self.services.store, self.child
        parent = Parent(self.meta.id, self.context.tool_call_id, self.meta.root, self.meta.depth + 1, own.seq)
        try:
            await store.registry.create(
                child,
                agent=agent_path(self.meta.agent, self.agent),
                principal=self.meta.principal,
                channel=self.meta.channel,
                title=title_from(self.prompt),
                project=self.meta.project,
                now=self.services.clock(),
                parent=parent,
            )
        except ConversationExists:
            found = await store.registry.get(child)
            if (found.parent, found.parent_call) != (self.meta.id, self.context.tool_call_id):
                raise ToolError(f"There is another conversation called {child}.") from None

    async def _send(self) -> int:
        """Send the task to the sub-agent, once; returns the number of its turn."""
        message = UserMessage(
            content=[{"type": "text", "text": self.prompt}],
            on_busy="queue",
            client_id=self.context.tool_call_id,
            principal=self.context.principal,
            origin="agent",
        )
        receipt = await self.services.conversations.send(self.child, message, self.context.context)
        return receipt.turn

    async def _forward_answer(self, own: CallRecord) -> str | None:
        """Forward the answer to the last question, if there is one; returns the sub-agent's objection to it."""
        resolution, suspension = self.context.resolution, suspension_behind(own.question)
        if resolution is None or suspension is None:
            return None
        record = await read_call(self.services.store, self.child, suspension.tool_call_id)
        if record is None or not suspension.is_pending_in(record):
            return None
        context = replace(self.context.context, principal=resolution.principal)
        try:
            await self.services.conversations.resolve(
                self.child, resolution_for(suspension, record, resolution), context
            )
        except Refused as refused:
            if refused.is_transient:
                raise
            return refused.detail if refused.code == "invalid_decision" else None
        return None

    async def _follow(self, turn: int, objection: str | None) -> str:
        """Subscribe first, then read the log; read it again after each event that matters, and from time to time."""
        last_state = None
        async with self.services.store.subscriptions.subscribe(self.child) as subscription:
            while True:
                state = await self._state()
                if state["state"] != last_state:
                    last_state = state["state"]
                    self.context.progress({"conversation": self.child, "state": last_state})
                ending = await read_ending(self.services.store, self.child, turn)
                if ending is not None:
                    return self._answer_or_error(ending)
                await self._raise_question(state["pending"], objection)
                await _wait_for_news(subscription)

    async def _state(self) -> Mapping[str, Any]:
        meta = await self.services.store.registry.get(self.child)
        state: Mapping[str, Any] = {"state": "idle", "pending": {}} if meta.state is None else orjson.loads(meta.state)
        return state

    async def _raise_question(self, pending: Mapping[str, Any], objection: str | None) -> None:
        """Raise an Interrupt with the sub-agent's oldest question; the others follow when it is answered."""
        for tool_call_id in pending:
            record = await read_call(self.services.store, self.child, tool_call_id)
            if record is not None and record.is_waiting:
                raise interrupt_for(self.child, self.agent, record, self.services.clock(), objection)

    def _answer_or_error(self, ending: Ending) -> str:
        if ending.ended.outcome == "completed":
            return ending.answer
        if ending.ended.outcome == "cancelled":
            raise ToolError(f"The sub-agent {self.agent} was cancelled.")
        raise ToolError(f"The sub-agent {self.agent} failed: {ending.ended.detail or ending.ended.reason}")


async def _wait_for_news(subscription: Subscription) -> None:
    """Wait for an event after which the log has to be read again, at most `LOOK_SECONDS`."""
    types: set[str] = set()
    with suppress(TimeoutError, MissedEvents):
        async with asyncio.timeout(LOOK_SECONDS):
            while types.isdisjoint(EVENTS_TO_READ_AFTER):
                types = {event["type"] for event in (await subscription.get())["events"]}


def child_id(conversation_id: str, tool_call_id: str) -> str:
    """The id of the conversation that works for this call; always the same for the same call."""
    whole = f"{conversation_id}.{tool_call_id}"
    if len(whole) <= MAX_ID_CHARACTERS:
        return whole
    return f"{whole[:ID_PREFIX_CHARACTERS]}.{hashlib.sha256(whole.encode()).hexdigest()[:ID_DIGEST_CHARACTERS]}"


def agent_path(agent: str, name: str) -> str:
    """The name of a sub-agent in the whole deployment, when `agent` delegates to it as `name`."""
    return f"{agent}/{name}"


def title_from(prompt: str) -> str:
    """A title from the beginning of the task."""
    words = " ".join(prompt.split())
    return words if len(words) <= MAX_TITLE_CHARACTERS else f"{words[: MAX_TITLE_CHARACTERS - 1].rstrip()}…"

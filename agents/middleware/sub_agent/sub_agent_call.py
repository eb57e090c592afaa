"""One call of `task`: starts the sub-agent's conversation, hands answers down to it, and follows it to its end.

Every step may be done again after a crash: the conversation has the one id that follows from the call, its message
the call's id, and an answer is for one suspension only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import orjson
import structlog

from agents.errors import AgentError, Refused, Superseded, ToolError
from agents.interrupt import Interrupt
from agents.middleware.sub_agent.naming import child_of, path_of, title_of
from agents.middleware.sub_agent.question import answer_for, asked_by, interrupt_for
from agents.middleware.sub_agent.reading import CallRecord, Ending, read_call, read_ending
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
"""How long a notice may be lost before the log is looked at all the same."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
TRIES = 5
"""How often the way to the sub-agent may fail before the call does.

An outage of the store is waited out, and so is a refusal that passes: the sub-agent moves, or there is no room for it.
"""

NEWS = frozenset({"state_changed", "suspended", "turn_ended"})


@dataclass(frozen=True, slots=True)
class SubAgentCall:
    """What `agent` shall do for the call that `context` stands for, in the conversation `meta`."""

    agent: str
    prompt: str
    meta: ConversationMeta
    context: ToolContext
    services: ToolServices

    @property
    def child(self) -> str:
        """The conversation that does it."""
        return child_of(self.meta.id, self.context.tool_call_id)

    async def run(self, seconds: float) -> str:
        """The sub-agent's answer. Raises ToolError when there is none, and Interrupt when it asks people something."""
        try:
            async with asyncio.timeout(seconds):
                return await self._insist(self._run)
        except TimeoutError:
            await self.cancel()
            raise ToolError(f"The sub-agent {self.agent} did not finish within {seconds:g} seconds.") from None

    async def cancel(self) -> None:
        """The call is over before its time: so is the work for it."""
        with suppress(ToolError):  # it has ended, or is gone; one that cannot be told will look up by itself
            await self._insist(self._cancel)

    async def _insist(self, act: Callable[[], Awaitable[T]]) -> T:
        """Do it again until it succeeds, or fails for good: with an Interrupt or ToolError."""
        failures, pause = 0, FIRST_PAUSE
        while True:
            try:
                return await act()
            except (Interrupt, ToolError):
                raise
            except (StoreUnavailable, Superseded) as error:
                log.info("sub_agent_out_of_sight", conversation_id=self.child, cause=str(error))
            except ConversationNotFound as error:
                raise ToolError(f"The conversation of the sub-agent {self.agent} was deleted.") from error
            except AgentError as error:
                if not isinstance(error, Refused) or not error.is_transient:
                    raise ToolError(f"The sub-agent {self.agent} cannot work: {error}") from error
            except Exception as error:  # the way there is the shell's: its errors are worth a repetition
                failures += 1
                log.warning("sub_agent_not_reached", conversation_id=self.child, cause=repr(error))
                if failures == TRIES:
                    raise ToolError(f"The sub-agent {self.agent} cannot be reached.") from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _run(self) -> str:
        own = await self._own_call()
        await self._create(own)
        turn = await self._send()
        objection = await self._hand_down(own)
        return await self._follow(turn, objection)

    async def _cancel(self) -> None:
        await self.services.conversations.cancel(self.child, self.context.principal)

    async def _own_call(self) -> CallRecord:
        own = await read_call(self.services.store, self.meta.id, self.context.tool_call_id)
        if own is None or own.result is not None:
            raise ToolError("This call is over.")  # a newer incarnation has seen to it
        return own

    async def _create(self, own: CallRecord) -> None:
        store, child = self.services.store, self.child
        parent = Parent(self.meta.id, self.context.tool_call_id, self.meta.root, self.meta.depth + 1, own.seq)
        try:
            await store.registry.create(
                child,
                agent=path_of(self.meta.agent, self.agent),
                principal=self.meta.principal,
                channel=self.meta.channel,
                title=title_of(self.prompt),
                now=self.services.clock(),
                parent=parent,
            )
        except ConversationExists:
            found = await store.registry.get(child)
            if (found.parent, found.parent_call) != (self.meta.id, self.context.tool_call_id):
                raise ToolError(f"There is another conversation called {child}.") from None

    async def _send(self) -> int:
        """Tell the sub-agent what to do, once; the number of the turn in which it does."""
        message = UserMessage(
            content=[{"type": "text", "text": self.prompt}],
            on_busy="queue",
            client_id=self.context.tool_call_id,
            principal=self.context.principal,
            origin="agent",
        )
        receipt = await self.services.conversations.send(self.child, message, self.context.context)
        return receipt.turn

    async def _hand_down(self, own: CallRecord) -> str | None:
        """Forward the answer to the last question, if there is one; what the sub-agent has against it."""
        resolution, asked = self.context.resolution, asked_by(own.question)
        if resolution is None or asked is None:
            return None
        story = await read_call(self.services.store, self.child, asked.tool_call_id)
        if story is None or not asked.is_still_open(story):
            return None
        context = replace(self.context.context, principal=resolution.principal)
        try:
            await self.services.conversations.resolve(self.child, answer_for(asked, story, resolution), context)
        except Refused as refused:
            if refused.is_transient:
                raise
            return refused.detail if refused.code == "invalid_decision" else None
        return None

    async def _follow(self, turn: int, objection: str | None) -> str:
        """Listen first, then look; and look again whenever something has happened, or might have."""
        shown = None
        async with self.services.store.subscriptions.subscribe(self.child) as subscription:
            while True:
                state = await self._state()
                if state["state"] != shown:
                    shown = state["state"]
                    self.context.progress({"conversation": self.child, "state": shown})
                ending = await read_ending(self.services.store, self.child, turn)
                if ending is not None:
                    return self._result(ending)
                await self._ask(state["pending"], objection)
                await _news(subscription)

    async def _state(self) -> Mapping[str, Any]:
        meta = await self.services.store.registry.get(self.child)
        state: Mapping[str, Any] = {"state": "idle", "pending": {}} if meta.state is None else orjson.loads(meta.state)
        return state

    async def _ask(self, pending: Mapping[str, Any], objection: str | None) -> None:
        """Put the sub-agent's oldest question to those above; the others follow when it is answered."""
        for tool_call_id in pending:
            story = await read_call(self.services.store, self.child, tool_call_id)
            if story is not None and story.waits:
                raise interrupt_for(self.child, self.agent, story, self.services.clock(), objection)

    def _result(self, ending: Ending) -> str:
        if ending.ended.outcome == "completed":
            return ending.answer
        if ending.ended.outcome == "cancelled":
            raise ToolError(f"The sub-agent {self.agent} was cancelled.")
        raise ToolError(f"The sub-agent {self.agent} failed: {ending.ended.detail or ending.ended.reason}")


async def _news(subscription: Subscription) -> None:
    """Wait until something has happened that is worth a look, or until a look is due."""
    told: set[str] = set()
    with suppress(TimeoutError, MissedEvents):
        async with asyncio.timeout(LOOK_SECONDS):
            while told.isdisjoint(NEWS):
                told = {event["type"] for event in (await subscription.get())["events"]}

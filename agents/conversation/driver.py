"""The driver: runs one conversation's machine under asyncio; takes inputs one by one, appends first, then acts.

It never waits on the model or a tool: those run as tasks that report back through the same mailbox as everybody
else. It waits on the log, because nothing may happen before it is durable.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import structlog

from agents.agent import Agent, Catalog
from agents.context import AgentContext
from agents.conversation.archiving import Archiving
from agents.conversation.effects import Effects
from agents.conversation.history import History
from agents.conversation.journal import Journal
from agents.conversation.mailbox import Envelope, Mailbox
from agents.conversation.resolution import checked
from agents.conversation.runtime import ConversationRuntime
from agents.errors import MiddlewareError, Refused, Superseded
from agents.former_names import sent_as
from agents.receipt import Receipt
from agents.services import Services
from agents.turn import Input, Logged, State, StepResult, fsm_state, revive, step
from agents.turn.commands import Append, Broadcast
from agents.turn.events import UserMsg
from agents.turn.inputs import Cancel, Recover, Resolve, Stop, UserMessage
from store import StoreError
from store.errors import DuplicateMessage

log = structlog.get_logger(__name__)

PACK_SECONDS = 3.0
"""How long a conversation at rest keeps its working set as it needs it: people often answer within."""

_AT_REST = frozenset({State.IDLE, State.AWAITING_INPUT, State.TERMINATING})


@sent_as("agents.conversation.driver.Glimpse")
@dataclass(frozen=True, slots=True)
class ConversationStatus:
    """A conversation as this incarnation sees it now; `streaming` is the answer under way, if there is one.

    `progress_at` (ms) is when something last came of its work: an event, a piece of an answer, a tool's progress.
    `waits_for` says whose turn it is: the model's, or that of tools, each `{"kind": "model" | "tool", "name": ...}`.
    """

    state: str
    turn: int
    last_seq: int
    epoch: int
    pending: Mapping[str, Any]
    streaming: Mapping[str, Any] | None
    progress_at: int
    waits_for: Sequence[Mapping[str, str]]


class Conversation:
    """One incarnation of a conversation. Make it with `open`; it works until `stop`, or until it is fenced."""

    def __init__(
        self, journal: Journal, agent: Agent, history: History, services: Services, context: AgentContext
    ) -> None:
        self.id = journal.conversation_id
        self.agent = agent
        self.history = history
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._journal = journal
        self._clock = services.clock
        self._machine = revive(history.facts, agent.limits)
        self._runtime = ConversationRuntime(journal, agent, history, services, context, self._post)
        self._effects = Effects(self._runtime, self._post, self._ask, self._give_way)
        self._archiving = Archiving(self._runtime)
        self._mailbox = Mailbox(self._handle, f"conversation {self.id}")
        self._rested: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._resting_since: int | None = None
        self._packing: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, services: Services, conversation_id: str, catalog: Catalog) -> Self:
        """Claim the log, fold it and take it up where it ends.

        Raises `store.ConversationNotFound`, `store.NewerFormat`, `agents.errors.UnknownAgent`,
        `agents.errors.UnreadableRecord`.
        """
        journal = await Journal.open(services.store, conversation_id, services.place, services.cluster, services.clock)
        agent, context = catalog.get(journal.meta.agent), catalog.context(journal.meta)
        conversation = cls(journal, agent, await journal.replay(), services, context)
        conversation._post(Recover())
        conversation._runtime.start()
        return conversation

    # What the outside may ask of a conversation.

    async def send(self, message: UserMessage, context: AgentContext | None = None) -> Receipt:
        """Accept a message: durable when this returns. Raises `Refused`, `Superseded`.

        `context` goes with the work of the turn in which the message is read.
        """
        if (known := await self.sent_before(message.client_id)) is not None:
            return known
        if message.model is not None and message.model not in self.agent.models:
            raise Refused("unknown_model", f"{self.agent.name} has no model called {message.model}.")
        if message.on_busy is None:
            message = replace(message, on_busy=self.agent.on_busy)
        return await self._ask(await self._handled(message), context)

    async def sent_before(self, client_id: str | None) -> Receipt | None:
        """The receipt of a message that is in the log already, also if that is older than the working set."""
        known = self.history.receipt(client_id)
        if known is not None or client_id is None or not self.history.partial:
            return known
        return await self._journal.receipt(client_id)

    async def resolve(self, resolution: Resolve, context: AgentContext | None = None) -> Receipt:
        """Answer a suspension: durable when this returns, carried out afterwards. Raises `Refused`, `Superseded`."""
        call = self._machine.facts.suspended.get(resolution.tool_call_id)
        if call is not None:
            resolution = checked(resolution, call, await self._runtime.toolset.find(call.call.name))
        return await self._ask(resolution, context)

    async def cancel(self, principal: str | None = None) -> Receipt:
        """End the turn that runs or waits. Raises `Refused`, `Superseded`."""
        return await self._ask(Cancel(principal=principal))

    def inspect(self) -> ConversationStatus:
        """Answered at any moment, without waiting for anything."""
        facts = self._machine.facts
        return ConversationStatus(
            state=self._machine.state.value,
            turn=facts.turn,
            last_seq=facts.last_seq,
            epoch=self._journal.epoch,
            pending=fsm_state(facts)["pending"],
            streaming=self._effects.answer.glimpse() if self._effects.answer else None,
            progress_at=self._journal.progress_at,
            waits_for=self._waits_for(),
        )

    @property
    def in_turn(self) -> bool:
        """Whether a turn has begun that is not over; it may wait for people."""
        return self._machine.facts.running

    @property
    def resting_since(self) -> int | None:
        """When (ms since the epoch) it came to rest, at which nothing is under way; None while it works.

        Work is also what it has been asked and has not answered yet.
        """
        return self._resting_since if self._rested.done() and self._mailbox.is_quiet else None

    @property
    def next_expiry(self) -> int | None:
        """When the earliest of its questions runs out, in ms since the epoch."""
        return self._machine.facts.next_expiry

    async def rest(self) -> ConversationStatus:
        """Wait until the conversation is idle, waits for the outside, or is gone."""
        await asyncio.wait([self._rested])
        return self.inspect()

    async def stop(self) -> None:
        """Leave in good order: what is unfinished stays in the log for the next incarnation."""
        if not self.gone.done():
            self._post(Stop())
            await asyncio.wait([self.gone])

    async def leave(self) -> bool:
        """Stop, unless there is work meanwhile; whether it has. Who asks from now on is told `Superseded`."""
        if self.resting_since is None:
            return False
        await self.stop()
        return True

    def abandon(self) -> None:
        """Drop everything at once and write nothing more, as when the process dies or a newer one has claimed."""
        if self.gone.done():
            return
        self.gone.set_result(None)
        self._note_rest()
        self._effects.drop()
        self._stay_awake()
        self._mailbox.close(lambda: Superseded(self.id))

    # One letter.

    async def _handle(self, envelope: Envelope) -> None:
        try:
            await self._take(envelope)
        except (StoreError, Superseded) as error:
            envelope.refuse(Superseded(self.id))
            self._give_way(error)
        except Exception as error:
            log.exception("incarnation_failed", conversation=self.id)
            envelope.refuse(error)
            self.abandon()
        except asyncio.CancelledError:
            envelope.refuse(Superseded(self.id))
            raise
        self._note_rest()

    def _give_way(self, error: Exception) -> None:
        """Another incarnation has the conversation, or it is gone."""
        log.warning("incarnation_superseded", conversation=self.id, cause=str(error))
        self.abandon()

    async def _take(self, envelope: Envelope) -> None:
        """Decide, append, adopt, acknowledge, act."""
        self._stay_awake()
        happened = self._informed(envelope.happened)
        if (known := self._known(happened)) is not None:
            envelope.accept(known)
            return
        decided = step(self._machine, happened)
        if decided.refusal is not None:
            # Whoever rests has not heard of a newer one, in which a turn may run.
            await self._journal.ownership.confirm()
            envelope.refuse(Refused(decided.refusal.code, decided.refusal.detail))
            return
        try:
            with self._effects.answer_held(decided.commands):
                receipt = await self._append(decided)
        except DuplicateMessage as duplicate:
            envelope.accept(await self._journal.receipt_at(duplicate.seq))
            return
        self._machine = decided.machine
        self._effects.forget_answer(decided.machine.model)
        self._runtime.adopt(envelope.context, receipt.turn)
        envelope.accept(receipt)
        for command in decided.commands:
            self._effects.perform(command)
        if decided.machine.state is State.TERMINATING:
            self.abandon()

    async def _append(self, decided: StepResult) -> Receipt:
        """Make the step's events durable and tell the watchers, in one write if there is anything to log."""
        facts = decided.machine.facts
        events = [event for command in decided.commands if isinstance(command, Append) for event in command.events]
        live = [command.event for command in decided.commands if isinstance(command, Broadcast)]
        if not events:
            for event in live:
                self._journal.publish(event)
            return Receipt(facts.last_seq, facts.turn)
        logged = await self._journal.append(events, facts, live, self._clock())
        self.history.extend(logged, facts)
        return _receipt(logged, facts.turn)

    def _informed(self, happened: Input) -> Input:
        """Add what the machine cannot know by itself: the text so far, and when a client's turn to act runs out."""
        if isinstance(happened, Cancel | UserMessage) and self._effects.answer is not None:
            return replace(happened, partial=self._effects.answer.partial())
        if isinstance(happened, Resolve):
            return replace(happened, expires_at=self._clock() + round(self.agent.expiries.client * 1000))
        return happened

    def _known(self, happened: Input) -> Receipt | None:
        """A message that was sent before is answered as it was then."""
        return self.history.receipt(happened.client_id) if isinstance(happened, UserMessage) else None

    async def _handled(self, message: UserMessage) -> UserMessage:
        """The message as the middleware wants it logged."""
        try:
            return await self._runtime.stack.handle_message(message, self._runtime.contexts())
        except MiddlewareError as error:
            log.exception("middleware_failed", middleware=error.middleware, conversation=self.id)
            raise Refused("middleware_failed", f"The message was not taken: {error}.") from error

    # The mailbox.

    def _post(self, happened: Input) -> None:
        if not self.gone.done():
            self._mailbox.put(Envelope(happened))

    async def _ask(self, happened: Input, context: AgentContext | None = None) -> Receipt:
        if self.gone.done():
            raise Superseded(self.id)
        reply: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._mailbox.put(Envelope(happened, reply, context))
        return await reply

    def _waits_for(self) -> list[Mapping[str, str]]:
        if self._machine.model is not None:
            answer = self._effects.answer
            return [{"kind": "model", "name": answer.model if answer else self.agent.model.name}]
        calls = self._machine.facts.dispatched.values()
        return [{"kind": "tool", "name": asked.call.name, "tool_call_id": asked.call.tool_call_id} for asked in calls]

    def _note_rest(self) -> None:
        loop, is_gone = asyncio.get_running_loop(), self.gone.done()
        if not is_gone and (self._mailbox or self._machine.state not in _AT_REST):
            if self._rested.done():
                self._rested = loop.create_future()
            return
        if not self._rested.done():
            self._rested.set_result(None)
        if not is_gone:
            self._resting_since = self._clock()
            self._packing = loop.call_later(PACK_SECONDS, self.history.pack)
            self._archiving.consider()

    def _stay_awake(self) -> None:
        if self._packing is not None:
            self._packing.cancel()
            self._packing = None


def _receipt(logged: list[Logged], turn: int) -> Receipt:
    """What the sender is told of: a message's own event, else the first one."""
    for entry in logged:
        if isinstance(entry.event, UserMsg):
            return Receipt(entry.seq, entry.event.turn)
    return Receipt(logged[0].seq, turn)

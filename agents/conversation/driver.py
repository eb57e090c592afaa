"""The driver: runs one conversation's machine under asyncio; takes inputs one by one, appends first, then acts.

It never waits for the model or a tool: they run as tasks that report back through the same mailbox as every caller. It
waits for the log, because nothing may happen before it is durable.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import structlog

from agents.agent import Agent, Catalog
from agents.answer import Answer, make_answer
from agents.context import AgentContext
from agents.conversation.archiving import Archiving
from agents.conversation.effects import Effects
from agents.conversation.history import History
from agents.conversation.journal import Journal
from agents.conversation.mailbox import Envelope, Mailbox
from agents.conversation.runtime import ConversationRuntime
from agents.conversation.validation import complete_input, validate_message, validate_resolution
from agents.errors import Refused, Superseded
from agents.former_names import sent_as
from agents.receipt import Receipt
from agents.services import Services
from agents.turn import Input, Logged, State, StepResult, fsm_state, revive, step
from agents.turn.events import Block, UserMsg
from agents.turn.inputs import Cancel, OnBusy, Recover, Resolve, Stop, UserMessage
from store import StoreError
from store.errors import DuplicateMessage

log = structlog.get_logger(__name__)

PACK_SECONDS = 3.0
"""How long a conversation at rest keeps its working set unpacked: people often answer within that time."""

_AT_REST = frozenset({State.IDLE, State.AWAITING_INPUT, State.TERMINATING})


@sent_as("agents.conversation.driver.Glimpse")
@dataclass(frozen=True, slots=True)
class ConversationStatus:
    """A conversation as this incarnation sees it now; `streaming` is the message under way, if there is one.

    `progress_at` (ms) is when something last came of its work: an event, a chunk of a message, a tool's progress.
    `waits_for` is what has to act next, the model or tools: each is `{"kind": "model" | "tool", "name": ...}`.
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
    """One incarnation of a conversation. Make it with `open`; it works until `stop`, or until it is fenced.

    `gone` is done once this incarnation has ended: from then on every command raises `Superseded`.
    """

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
        self._effects = Effects(self._runtime, self._post, self._submit, self._end_superseded)
        self._archiving = Archiving(self._runtime)
        self._mailbox = Mailbox(self._process, f"conversation {self.id}")
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._is_at_rest = False
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
        conversation._runtime.start_middleware()
        return conversation

    # What callers may ask of a conversation.

    async def send(self, message: UserMessage, context: AgentContext | None = None) -> Receipt:
        """Accept a message: durable when this returns. Raises `Refused`, `Superseded`.

        `context` goes with the work of the turn in which the message is read. A message that was sent before, which
        its client id tells, is answered as it was then.
        """
        receipt = await self.find_receipt(message.client_id)
        return receipt or await self._submit(await validate_message(message, self._runtime), context)

    async def ask(
        self,
        content: str | Sequence[Block],
        *,
        on_busy: OnBusy | None = None,
        model: str | None = None,
        client_id: str | None = None,
        principal: str | None = None,
        context: AgentContext | None = None,
    ) -> Answer:
        """Send a message and wait for the `answer` of its turn. Raises `Refused`, `TurnError`, `Superseded`.

        `principal` is who sends it; None: the owner of the conversation. For the other options see `UserMessage`.
        """
        message = UserMessage(
            content=[{"type": "text", "text": content}] if isinstance(content, str) else content,
            on_busy=on_busy,
            model=model,
            client_id=client_id,
            principal=self._journal.meta.principal if principal is None else principal,
        )
        receipt = await self.send(message, context)
        return await self.answer(receipt.turn)

    async def answer(self, turn: int | None = None) -> Answer:
        """Wait until a turn (None: the newest) has ended or something waits for the outside; what it has said by then.

        After a resolution, ask for it again. Raises `TurnError`, `Superseded`, and LookupError if no such turn began.
        """
        wanted = self._machine.facts.turn if turn is None else turn
        await self._until(lambda: self.gone.done() or self._has_settled(wanted))
        if self.gone.done():
            raise Superseded(self.id)
        facts, summary = self._machine.facts, self.history.summary
        if summary is not None and wanted <= summary.through_turn:
            events = await self._journal.read_turn(wanted, summary.after)
        else:
            events = [event for event in self.history.events if event.turn == wanted]
        if not events:
            raise LookupError(f"{self.id} has no turn {wanted}")
        pending = fsm_state(facts)["pending"] if wanted >= facts.turn else {}
        return make_answer(wanted, events, pending, self.agent.output)

    async def find_receipt(self, client_id: str | None) -> Receipt | None:
        """The receipt of a message that is in the log already, however old; such a message is never refused."""
        receipt = self.history.receipt(client_id)
        if receipt is None and client_id is not None and self.history.is_partial:
            return await self._journal.receipt(client_id)
        return receipt

    async def resolve(self, resolution: Resolve, context: AgentContext | None = None) -> Receipt:
        """Answer a suspension: durable when this returns, carried out afterwards. Raises `Refused`, `Superseded`."""
        call = self._machine.facts.suspended.get(resolution.tool_call_id)
        if call is not None:
            resolution = await validate_resolution(resolution, call, self._runtime)
        return await self._submit(resolution, context)

    async def cancel(self, principal: str | None = None) -> Receipt:
        """End the turn that runs or waits. Raises `Refused`, `Superseded`."""
        return await self._submit(Cancel(principal=principal))

    def inspect(self) -> ConversationStatus:
        """Answered at any moment, without waiting for anything."""
        facts, streaming = self._machine.facts, self._effects.streaming
        return ConversationStatus(
            state=self._machine.state.value,
            turn=facts.turn,
            last_seq=facts.last_seq,
            epoch=self._journal.epoch,
            pending=fsm_state(facts)["pending"],
            streaming=streaming.snapshot() if streaming else None,
            progress_at=self._journal.progress_at,
            waits_for=self._waits_for(),
        )

    @property
    def is_in_turn(self) -> bool:
        """Whether a turn has begun that is not over; it may wait for people."""
        return self._machine.facts.running

    @property
    def resting_since(self) -> int | None:
        """When (ms since the epoch) it came to rest, at which nothing is under way; None while it works.

        A command that has not been answered yet is work, too.
        """
        return self._resting_since if self._is_at_rest and self._mailbox.is_quiet else None

    @property
    def next_expiry(self) -> int | None:
        """When the earliest of its questions runs out, in ms since the epoch."""
        return self._machine.facts.next_expiry

    async def rest(self) -> ConversationStatus:
        """Wait until the conversation is idle, waits for the outside, or is gone."""
        await self._until(lambda: self._is_at_rest)
        return self.inspect()

    async def stop(self) -> None:
        """Leave in good order: what is unfinished stays in the log for the next incarnation."""
        if not self.gone.done():
            self._post(Stop())
            await asyncio.wait([self.gone])

    async def leave(self) -> bool:
        """Stop, unless there is work; return whether it has stopped. Later callers get `Superseded`."""
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
        self._cancel_packing()
        self._mailbox.close(lambda: Superseded(self.id))

    # One envelope.

    async def _process(self, envelope: Envelope) -> None:
        try:
            await self._carry_out(envelope)
        except (StoreError, Superseded) as error:
            envelope.refuse(Superseded(self.id))
            self._end_superseded(error)
        except Exception as error:
            log.exception("incarnation_failed", conversation=self.id)
            envelope.refuse(error)
            self.abandon()
        except asyncio.CancelledError:
            envelope.refuse(Superseded(self.id))
            raise
        self._note_rest()

    async def _carry_out(self, envelope: Envelope) -> None:
        """Decide, append, acknowledge, act."""
        self._cancel_packing()
        happened = complete_input(envelope.happened, self.agent, self._effects.streaming, self._clock())
        if isinstance(happened, UserMessage) and (known := self.history.receipt(happened.client_id)) is not None:
            envelope.accept(known)  # its first copy was still under way when this one was sent
            return
        decided = step(self._machine, happened)
        if decided.refusal is not None:
            # An incarnation at rest does not hear of a newer one, in which a turn may run.
            await self._journal.ownership.confirm()
            envelope.refuse(Refused(decided.refusal.code, decided.refusal.detail))
            return
        try:
            receipt = await self._commit(decided)
        except DuplicateMessage as duplicate:
            envelope.accept(await self._journal.receipt_at(duplicate.seq))
            return
        if envelope.context is not None:
            self._runtime.keep_context(receipt.turn, envelope.context)
        envelope.accept(receipt)
        for command in decided.commands:
            self._effects.perform(command)
        if decided.machine.state is State.TERMINATING:
            self.abandon()

    async def _commit(self, decided: StepResult) -> Receipt:
        """Make the step's events durable; from then on its machine and its facts are the conversation's."""
        facts, current = decided.machine.facts, decided.machine.model
        logged = await self._journal.append(decided, self._clock(), self._effects.message_ended_by(current))
        self._machine = decided.machine
        self._effects.forget_message(current)
        if not logged:
            return Receipt(facts.last_seq, facts.turn)
        self.history.extend(logged, facts)
        return _receipt_for(logged, facts.turn)

    def _end_superseded(self, error: Exception) -> None:
        """Another incarnation has the conversation, or it is deleted."""
        log.warning("incarnation_superseded", conversation=self.id, cause=str(error))
        self.abandon()

    # The mailbox.

    def _post(self, happened: Input) -> None:
        if not self.gone.done():
            self._mailbox.put(Envelope(happened))

    async def _submit(self, happened: Input, context: AgentContext | None = None) -> Receipt:
        if self.gone.done():
            raise Superseded(self.id)
        reply: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._mailbox.put(Envelope(happened, reply, context))
        return await reply

    # At rest.

    def _waits_for(self) -> list[Mapping[str, str]]:
        if self._machine.model is not None:
            streaming = self._effects.streaming
            return [{"kind": "model", "name": streaming.model if streaming else self.agent.model.name}]
        calls = [dispatched.call for dispatched in self._machine.facts.dispatched.values()]
        return [{"kind": "tool", "name": call.name, "tool_call_id": call.tool_call_id} for call in calls]

    def _note_rest(self) -> None:
        """After each envelope: find out whether there is work, and wake the callers whose condition holds now."""
        is_gone = self.gone.done()
        self._is_at_rest = is_gone or (not self._mailbox and self._machine.state in _AT_REST)
        self._waiting = [waiting for waiting in self._waiting if not _wake(*waiting)]
        if self._is_at_rest and not is_gone:
            self._resting_since = self._clock()
            self._packing = asyncio.get_running_loop().call_later(PACK_SECONDS, self.history.pack)
            self._archiving.start_if_due()

    def _has_settled(self, turn: int) -> bool:
        """Whether the turn has ended, or goes on only when people or a client have acted."""
        facts = self._machine.facts
        return facts.turn > turn or not facts.running or self._machine.state is State.AWAITING_INPUT

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds after an envelope."""
        if not condition():
            reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((condition, reached))
            await reached

    def _cancel_packing(self) -> None:
        if self._packing is not None:
            self._packing.cancel()
            self._packing = None


def _wake(condition: Callable[[], bool], reached: asyncio.Future[None]) -> bool:
    if not reached.done() and condition():
        reached.set_result(None)
    return reached.done()


def _receipt_for(logged: Sequence[Logged], turn: int) -> Receipt:
    """What the sender is told of: a message's own event, else the first one."""
    for entry in logged:
        if isinstance(entry.event, UserMsg):
            return Receipt(entry.seq, entry.event.turn)
    return Receipt(logged[0].seq, turn)

"""The driver: runs one conversation's machine under asyncio; takes inputs one by one, appends first, then acts.

It never waits for the model or a tool: they run as tasks that report back through the same mailbox as every caller. It
waits for the log, because nothing may happen before it is durable.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from agents.agent import Agent
from agents.context import AgentContext
from agents.conversation.archiving import Archiving
from agents.conversation.crash_loops import must_end
from agents.conversation.drop_turn import DropTurn, decide_drop
from agents.conversation.effects import Effects
from agents.conversation.history import History
from agents.conversation.journal import Journal
from agents.conversation.mailbox import Envelope, Mailbox
from agents.conversation.runtime import ConversationRuntime
from agents.conversation.validation import complete_input
from agents.errors import Refused, Superseded
from agents.former_names import sent_as
from agents.receipt import Receipt
from agents.services import Services
from agents.turn import Facts, Input, Logged, State, StepResult, fsm_state, revive, step
from agents.turn.events import TurnEnded, UserMsg
from agents.turn.inputs import Cancel, Recover, Stop, UserMessage
from agents.turn.states import ExitReason, Signal
from store import StoreError
from store.errors import DuplicateMessage

log = structlog.get_logger(__name__)

PACK_SECONDS = 3.0
"""How long a conversation at rest keeps its working set unpacked: people often answer within that time."""

STOP_SECONDS = 5.0
"""How long a cancel waits for what its calls have begun elsewhere; a sub-agent finds out by itself after that."""

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


class Driver:
    """One incarnation at work, until it is `gone`: it was stopped or fenced, and takes no input any more."""

    def __init__(
        self,
        journal: Journal,
        agent: Agent,
        history: History,
        services: Services,
        context: Callable[[str | None], AgentContext],
    ) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.agent = agent
        self.history = history
        self.journal = journal
        self.machine = revive(history.facts, agent.limits)
        self.runtime = ConversationRuntime(journal, agent, history, services, context, self.post)
        self.is_at_rest = False
        self._clock = services.clock
        self._effects = Effects(self.runtime, self.post, self.submit, self._end_superseded)
        self._archiving = Archiving(self.runtime)
        self._mailbox = Mailbox(self._process, journal.conversation_id)
        self._resting_since: int | None = None
        self._packing: asyncio.TimerHandle | None = None

    def start(self, sent: str | int | None = None, context: AgentContext | None = None) -> None:
        """Take up the log where it ends.

        `context` is that of the turn `sent`, or of the message with that client id: if it is in the log, and its turn
        is not over, the turn has the context; if it is not, it is about to come.
        """
        give_up = must_end(self.journal.meta.lost) and self._is_due()
        if give_up:
            log.error("turn_given_up", conversation_id=self.journal.conversation_id, turn=self.machine.facts.turn)
        if context is not None:
            self._keep_context_of(sent, context)
        self.post(Recover(give_up=give_up))
        self.runtime.start_middleware(None if isinstance(sent, int) else context)

    def _keep_context_of(self, sent: str | int | None, context: AgentContext) -> None:
        receipt, facts = None if isinstance(sent, int) else self.history.receipt(sent), self.machine.facts
        turn = sent if isinstance(sent, int) else receipt.turn if receipt is not None else 0
        if turn > facts.turn or (turn == facts.turn and facts.running):
            self.runtime.keep_context(turn, context, context.principal)

    def post(self, happened: Input) -> None:
        """Put an input into the mailbox, unless this incarnation is gone."""
        if not self.gone.done():
            self._mailbox.put(Envelope(happened))

    async def submit(self, happened: Input | DropTurn, context: AgentContext | None = None) -> Receipt:
        """Put an input into the mailbox and wait for what comes of it. Raises `Refused`, `Superseded`."""
        if self.gone.done():
            raise Superseded(self.journal.conversation_id)
        reply: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._mailbox.put(Envelope(happened, reply, context))
        return await reply

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds, or this incarnation is gone."""
        await self._mailbox.until(lambda: self.gone.done() or condition())

    @property
    def resting_since(self) -> int | None:
        """When (ms since the epoch) it came to rest; None while it has anything to do or to answer."""
        return self._resting_since if self.is_at_rest and self._mailbox.is_quiet else None

    def status(self) -> ConversationStatus:
        facts, streaming = self.machine.facts, self._effects.streaming
        return ConversationStatus(
            state=self.machine.state.value,
            turn=facts.turn,
            last_seq=facts.last_seq,
            epoch=self.journal.epoch,
            pending=fsm_state(facts)["pending"],
            streaming=streaming.snapshot() if streaming else None,
            progress_at=self.journal.progress_at,
            waits_for=self._waits_for(),
        )

    def abandon(self) -> None:
        """Drop everything at once and write nothing more."""
        if self.gone.done():
            return
        self.gone.set_result(None)
        self._note_rest()
        self.runtime.turn_span.abandon()
        self._effects.stop_all()
        self._cancel_packing()
        self._mailbox.close(lambda: Superseded(self.journal.conversation_id))

    async def _process(self, envelope: Envelope) -> None:
        """One input; no error leaves the mailbox, but the incarnation ends with it."""
        try:
            await self._carry_out(envelope)
        except (StoreError, Superseded) as error:
            envelope.fail(Superseded(self.journal.conversation_id))
            self._end_superseded(error)
        except Exception as error:
            turn = self.machine.facts.turn
            log.exception("incarnation_failed", conversation_id=self.journal.conversation_id, turn=turn)
            self.runtime.services.metrics.note_exit(ExitReason.FAILED)
            await self.journal.leave(ExitReason.FAILED)
            envelope.fail(error)
            self.abandon()
        except asyncio.CancelledError:
            envelope.fail(Superseded(self.journal.conversation_id))
            raise
        self._note_rest()

    async def _carry_out(self, envelope: Envelope) -> None:
        """Decide, append, acknowledge, act."""
        self._cancel_packing()
        happened = await self._complete(envelope)
        if happened is None:
            return
        decided = step(self.machine, happened)
        if decided.refusal is not None:
            # An incarnation at rest does not hear of a newer one, in which a turn may run.
            await self.journal.ownership.confirm()
            envelope.fail(Refused(decided.refusal.code, decided.refusal.detail))
            return
        try:
            receipt = await self._commit(happened, decided, envelope.context)
        except DuplicateMessage as duplicate:
            envelope.acknowledge(await self.journal.receipt_at(duplicate.seq))
            return
        if envelope.context is not None:
            self.runtime.keep_context(receipt.turn, envelope.context, getattr(envelope.happened, "principal", None))
        if not isinstance(happened, Cancel):
            envelope.acknowledge(receipt)
        for command in decided.commands:
            self._effects.perform(command)
        if isinstance(happened, Cancel):
            self._accept_once_stopped(envelope, receipt)
        if isinstance(happened, Stop):
            self.runtime.services.metrics.note_exit(happened.reason)
            await self.journal.leave(happened.reason)
            self.abandon()

    async def _complete(self, envelope: Envelope) -> Input | None:
        """What the machine takes; None if it is not asked, because the caller has been answered already."""
        given = envelope.happened
        if isinstance(given, UserMessage) and (known := self.history.receipt(given.client_id)) is not None:
            envelope.acknowledge(known)  # its first copy was still under way when this one was sent
            return None
        if isinstance(given, DropTurn):
            return await self._decide_drop(envelope, given)
        return complete_input(given, self.agent, self._effects.streaming, self._clock())

    async def _decide_drop(self, envelope: Envelope, drop: DropTurn) -> Input | None:
        try:
            if (patched := decide_drop(drop, self.history)) is not None:
                return patched
            await self.journal.ownership.confirm()
            envelope.acknowledge(Receipt(self.machine.facts.last_seq, drop.turn, duplicate=True))
        except Refused as refused:
            await self.journal.ownership.confirm()
            envelope.fail(refused)
        return None

    def _accept_once_stopped(self, envelope: Envelope, receipt: Receipt) -> None:
        """Acknowledge a cancel when no call begins any more, in sub-agents neither, or after `STOP_SECONDS`."""
        left = {task for task in self._effects.abandoning if not task.done()}
        if not left:
            envelope.acknowledge(receipt)
            return
        timer = asyncio.get_running_loop().call_later(STOP_SECONDS, envelope.acknowledge, receipt)

        def note_stopped(task: asyncio.Task[None]) -> None:
            left.discard(task)
            if not left:
                timer.cancel()
                envelope.acknowledge(receipt)

        for task in tuple(left):
            task.add_done_callback(note_stopped)

    async def _commit(self, happened: Input, decided: StepResult, context: AgentContext | None) -> Receipt:
        """Make the step's events durable; from then on its machine and its facts are the conversation's.

        `context` is what the caller sent along.
        """
        before, facts, current = self.machine.facts, decided.machine.facts, decided.machine.model
        ended = self._effects.message_ended_by(current)
        span = self.runtime.turn_span.begin(
            decided.machine, context, self.runtime.context_sent(facts.turn, facts.principal)
        )
        try:
            with self.runtime.append_span(decided, context):
                logged = await self.journal.append(before, decided, self._clock(), ended, span)
        except BaseException:
            self.runtime.turn_span.withdraw()
            raise
        self.machine = decided.machine
        self.runtime.turn_span.note_committed(decided.machine, [entry.event for entry in logged], span)
        self._effects.forget_message(current)
        if not logged:
            return Receipt(facts.last_seq, facts.turn)
        began_at = self.history.turn_began_at
        self.history.extend(logged, facts)
        self._note_ends(logged, began_at)
        self._count_turns(before, facts)
        return _receipt_for(happened, logged, before)

    def _count_turns(self, before: Facts, facts: Facts) -> None:
        """Sub-agents' turns are a part of their root's; those of schedules and batches take no place of a person's."""
        if self.journal.meta.parent is not None or (before.turn, before.running) == (facts.turn, facts.running):
            return
        limits, owner = self.runtime.services.limits, self.journal.meta.principal
        ended, begun = _counted_for(before, owner), _counted_for(facts, owner)
        if ended is not None and ended != begun:
            limits.end_turn(self.journal.conversation_id, ended)
        if begun is not None:
            limits.note_turn(self.journal.conversation_id, begun)

    def _note_ends(self, logged: Sequence[Logged], began_at: int | None) -> None:
        """Count the turn that has ended in this step, if one has; it began at `began_at`."""
        for entry in logged:
            if isinstance(ended := entry.event, TurnEnded):
                seconds = (entry.at - (began_at or entry.at)) / 1000
                waited = self.history.has_asked(ended.turn)
                self.runtime.services.metrics.note_turn(self.agent.name, ended.outcome, seconds, waited=waited)

    def _end_superseded(self, error: Exception) -> None:
        """Another incarnation has the conversation, or it is deleted."""
        log.warning("incarnation_superseded", conversation_id=self.journal.conversation_id, cause=str(error))
        if not self.gone.done():
            self.runtime.services.metrics.note_exit(ExitReason.SUPERSEDED)
            self.journal.leave_soon(ExitReason.SUPERSEDED)
        self.abandon()

    def _is_due(self) -> bool:
        """Whether the turn has something to do now, and does not just wait for people."""
        facts = self.machine.facts
        if facts.phase is not State.AWAITING_INPUT:
            return facts.running
        return facts.next_expiry is not None and facts.next_expiry <= self._clock()

    def _waits_for(self) -> list[Mapping[str, str]]:
        if self.machine.model is not None:
            streaming = self._effects.streaming
            return [{"kind": "model", "name": streaming.model if streaming else self.agent.model.name}]
        calls = [dispatched.call for dispatched in self.machine.facts.dispatched.values()]
        return [{"kind": "tool", "name": call.name, "tool_call_id": call.tool_call_id} for call in calls]

    def _note_rest(self) -> None:
        """Find out after each input whether there is work left; at rest, the memory and the log can be made smaller."""
        is_gone = self.gone.done()
        self.is_at_rest = is_gone or (not self._mailbox and self.machine.state in _AT_REST)
        if self.is_at_rest and not is_gone:
            self._resting_since = self._clock()
            self._packing = asyncio.get_running_loop().call_later(PACK_SECONDS, self.history.pack)
            self._archiving.start_if_due()

    def _cancel_packing(self) -> None:
        if self._packing is not None:
            self._packing.cancel()
            self._packing = None


def _counted_for(facts: Facts, owner: str) -> str | None:
    """Whose turn is under way, as the limits of people count them."""
    return facts.principal or owner if facts.running and facts.begun_by in ("user", "agent") else None


def _receipt_for(happened: Input, logged: Sequence[Logged], before: Facts) -> Receipt:
    """What the sender is told of: a message's own event, the end of the turn that it cancelled, else the first one."""
    own = {Signal.USER_MESSAGE: UserMsg, Signal.CANCEL: TurnEnded}.get(happened.signal)
    entry = next((entry for entry in logged if own is not None and isinstance(entry.event, own)), logged[0])
    steered = isinstance(entry.event, UserMsg) and before.running and entry.event.turn == before.turn
    return Receipt(entry.seq, entry.event.turn, steered=steered)

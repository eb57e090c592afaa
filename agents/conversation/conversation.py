"""A conversation as its callers see it: what they may ask of it, and what each command promises."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Self

import structlog

from agents.agent import Catalog
from agents.answer import Answer, make_answer
from agents.context import AgentContext
from agents.conversation.driver import ConversationStatus, Driver
from agents.conversation.drop_turn import DropTurn
from agents.conversation.journal import RESERVED, Journal
from agents.conversation.validation import require_storable, validate_message, validate_resolution
from agents.errors import Refused, Superseded
from agents.receipt import Receipt
from agents.services import Services
from agents.turn import Event, State, fsm_state
from agents.turn.events import Block
from agents.turn.inputs import Cancel, OnBusy, RecordDelivery, Resolve, Stop, UserMessage
from agents.turn.states import ExitReason

log = structlog.get_logger(__name__)


class Conversation:
    """One incarnation of a conversation. Make it with `open`; it works until `stop`, or until it is fenced.

    `gone` is done once this incarnation has ended: from then on every command raises `Superseded`. `history` is the
    working set: the events behind the last summary. `meta` is what was known of it when it was opened.
    """

    def __init__(self, driver: Driver) -> None:
        self.id = driver.journal.conversation_id
        self.meta = driver.journal.meta
        self.agent = driver.agent
        self.history = driver.history
        self.gone = driver.gone
        self._driver = driver

    @classmethod
    async def open(
        cls,
        services: Services,
        conversation_id: str,
        catalog: Catalog,
        sent: tuple[str | int | None, AgentContext] | None = None,
    ) -> Self:
        """Claim the log, fold it and take it up where it ends.

        `sent` is the context of an unfinished turn, and that turn or the client id of its message, which may be in the
        log already. If it is not, it is the message that the conversation is opened for.

        Raises `store.ConversationNotFound`, `store.NewerFormat`, `agents.errors.UnknownAgent`,
        `agents.errors.UnreadableRecord`.
        """
        journal = await Journal.open(
            services.store,
            conversation_id,
            services.place,
            services.cluster,
            services.clock,
            alone=services.is_alone,
        )
        if journal.meta.ended == ExitReason.CRASH:
            log.warning("incarnation_crashed", conversation_id=conversation_id, lost=journal.meta.lost.count)
        try:
            agent, context = catalog.get(journal.meta.agent), partial(catalog.make_context, journal.meta)
            history = await journal.replay()
            driver = Driver(journal, agent, history, services, context)
            await journal.mend_state(history.facts)
        except Exception:
            await journal.leave(ExitReason.NOT_OPENED)  # it has not come to the turn
            raise
        driver.start(*(sent or ()))
        return cls(driver)

    async def send(self, message: UserMessage, context: AgentContext | None = None) -> Receipt:
        """Accept a message: durable when this returns. Raises `Refused`, `Superseded`.

        `context` goes with the work of the turn in which the message is read. A message that was sent before, which
        its client id tells, is answered as it was then.
        """
        receipt = await self.find_receipt(message.client_id)
        if receipt is not None:
            return receipt
        return await self._submit_within_limits(await validate_message(message, self._driver.runtime, context), context)

    async def _submit_within_limits(self, message: UserMessage, context: AgentContext | None) -> Receipt:
        """A message that joins a turn, or gives a sub-agent its task, is a part of what was let in before.

        Schedules and batches have bounds of their own.
        """
        limits, principal = self._driver.runtime.services.limits, message.principal or self.meta.principal
        if self.is_in_turn or message.origin != "user" or self.meta.parent is not None:
            return await self._driver.submit(message, context)
        await limits.begin_turn(self.id, principal)
        try:
            return await self._driver.submit(message, context)
        except Refused:
            if not self.is_in_turn:
                limits.end_turn(self.id, principal)
            raise

    async def find_receipt(self, client_id: str | None) -> Receipt | None:
        """The receipt of a message that is in the log already, however old; such a message is never refused."""
        receipt = self.history.receipt(client_id)
        if client_id is None or client_id.startswith(RESERVED):
            return None
        if receipt is None and self.history.is_partial:
            return await self._driver.journal.receipt(client_id)
        return receipt

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
            principal=self._driver.journal.meta.principal if principal is None else principal,
        )
        receipt = await self.send(message, context)
        return await self.answer(receipt.turn)

    async def answer(self, turn: int | None = None) -> Answer:
        """Wait until a turn (None: the newest) has ended or something waits for the outside; what it has said by then.

        After a resolution, ask for it again. Raises `TurnError`, `Superseded`, and LookupError if no such turn began.
        """
        wanted = self._driver.machine.facts.turn if turn is None else turn
        await self._driver.until(lambda: self._has_settled(wanted))
        if self.gone.done():
            raise Superseded(self.id)
        facts = self._driver.machine.facts
        if not (events := await self._events_of(wanted)):
            raise LookupError(f"{self.id} has no turn {wanted}")
        pending = fsm_state(facts)["pending"] if wanted >= facts.turn else {}
        return make_answer(wanted, events, pending, self.agent.output)

    async def resolve(self, resolution: Resolve, context: AgentContext | None = None) -> Receipt:
        """Answer a suspension: durable when this returns, carried out afterwards. Raises `Refused`, `Superseded`.

        The same decision of the same person gets the same receipt again, however old it is.
        """
        call = self._driver.machine.facts.suspended.get(resolution.tool_call_id)
        try:
            meant = call if call is not None and resolution.question in (None, call.question) else None
            checked = await validate_resolution(resolution, meant, self._driver.runtime)
            return await self._driver.submit(checked, context)
        except Refused:
            counted = await self._find_decision(resolution)
            if counted is None:
                raise
            return counted

    async def drop_turn(self, drop: DropTurn) -> Receipt:
        """Leave a turn out of what the model is shown, or show it again: durable when this returns.

        A repetition changes nothing. Raises `Refused`, `Superseded`.
        """
        return await self._driver.submit(drop)

    async def record_delivery(self, delivery: RecordDelivery) -> Receipt:
        """Log what people have seen of a turn, whatever runs now: durable when this returns.

        The same chain gets the same receipt again, whatever it says then. Raises `Refused`, `Superseded`.
        """
        require_storable(delivery)
        return await self._driver.submit(delivery)

    async def cancel(self, principal: str | None = None, turn: int | None = None) -> Receipt:
        """End the turn with this number (None: the one that runs or waits). Raises `Refused`, `Superseded`.

        A cancel of a turn that was cancelled before gets the same receipt as then, whatever runs now.
        """
        try:
            return await self._driver.submit(Cancel(principal=principal, turn=turn))
        except Refused:
            counted = None if turn is None else await self._find_cancel(turn)
            if counted is None:
                raise
            return counted

    def inspect(self) -> ConversationStatus:
        """Answered at any moment, without waiting for anything."""
        return self._driver.status()

    @property
    def state(self) -> State:
        """What it is doing now."""
        return self._driver.machine.state

    @property
    def is_in_turn(self) -> bool:
        """Whether a turn has begun that is not over; it may wait for people."""
        return self._driver.machine.facts.running

    @property
    def is_for_people(self) -> bool:
        """Whether people, or an agent for them, have begun the newest turn: no schedule and no batch."""
        return self._driver.machine.facts.begun_by in ("user", "agent")

    @property
    def turn_began_at(self) -> int | None:
        """When (ms) the turn that runs or waits began; None at rest."""
        return self._driver.history.turn_began_at

    @property
    def resting_since(self) -> int | None:
        """When (ms since the epoch) it came to rest, at which nothing is under way; None while it works.

        A command that has not been answered yet is work, too.
        """
        return self._driver.resting_since

    @property
    def may_move(self) -> bool:
        """Whether nothing would be cut if another incarnation took over now: it is idle, in the background as well."""
        driver = self._driver
        is_idle = driver.resting_since is not None and driver.machine.state is State.IDLE
        return is_idle and not driver.runtime.has_background

    @property
    def next_expiry(self) -> int | None:
        """When the earliest of its questions runs out, in ms since the epoch."""
        return self._driver.machine.facts.next_expiry

    async def rest(self) -> ConversationStatus:
        """Wait until the conversation is idle, waits for the outside, or is gone."""
        await self._driver.until(lambda: self._driver.is_at_rest)
        return self.inspect()

    async def stop(self, reason: ExitReason = ExitReason.SHUTDOWN) -> None:
        """Leave in good order: what is unfinished stays in the log for the next incarnation."""
        if not self.gone.done():
            self._driver.post(Stop(reason=reason))
            await asyncio.wait([self.gone])

    async def leave(self, reason: ExitReason = ExitReason.IDLE) -> bool:
        """Stop, unless there is work; return whether it has stopped. Later callers get `Superseded`."""
        if self.resting_since is None:
            return False
        await self.stop(reason)
        return True

    def abandon(self) -> None:
        """Drop everything at once and write nothing more, as when the process dies or a newer one has claimed."""
        self._driver.abandon()

    def _has_settled(self, turn: int) -> bool:
        """Whether the turn has ended, or goes on only when people or a client have acted."""
        machine = self._driver.machine
        return machine.facts.turn > turn or not machine.facts.running or machine.state is State.AWAITING_INPUT

    async def _find_decision(self, resolution: Resolve) -> Receipt | None:
        """The receipt that the same decision got when it came first, if it did and counted."""
        known = self.history.decisions(resolution.tool_call_id)
        if not known and self.history.is_partial:
            known = await self._driver.journal.decisions(resolution.tool_call_id)
        for decided in known:
            with suppress(Refused):
                if decided.is_same(await validate_resolution(resolution, decided.call, self._driver.runtime)):
                    return decided.receipt
        return None

    async def _find_cancel(self, turn: int) -> Receipt | None:
        """The receipt of the cancel that ended this turn, if one did."""
        known = self.history.cancelled(turn)
        if known is None and self.history.is_partial:
            return await self._driver.journal.receipt_of_cancel(turn)
        return known

    async def _events_of(self, turn: int) -> Sequence[Event]:
        """From the working set, or from the log when a summary stands for the turn."""
        summary = self.history.summary
        if summary is not None and turn <= summary.through_turn:
            return await self._driver.journal.read_turn(turn, summary.after)
        return [event for event in self.history.events if event.turn == turn]

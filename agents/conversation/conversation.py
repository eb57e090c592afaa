"""A conversation as its callers see it: what they may ask of it, and what each command promises."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from agents.agent import Catalog
from agents.answer import Answer, make_answer
from agents.context import AgentContext
from agents.conversation.driver import ConversationStatus, Driver
from agents.conversation.journal import Journal
from agents.conversation.validation import validate_message, validate_resolution
from agents.errors import Refused, Superseded
from agents.receipt import Receipt
from agents.services import Services
from agents.turn import Event, State, fsm_state
from agents.turn.events import Block
from agents.turn.inputs import Cancel, OnBusy, Resolve, Stop, UserMessage


class Conversation:
    """One incarnation of a conversation. Make it with `open`; it works until `stop`, or until it is fenced.

    `gone` is done once this incarnation has ended: from then on every command raises `Superseded`. `history` is the
    working set: the events behind the last summary.
    """

    def __init__(self, driver: Driver) -> None:
        self.id = driver.journal.conversation_id
        self.agent = driver.agent
        self.history = driver.history
        self.gone = driver.gone
        self._driver = driver

    @classmethod
    async def open(cls, services: Services, conversation_id: str, catalog: Catalog) -> Self:
        """Claim the log, fold it and take it up where it ends.

        Raises `store.ConversationNotFound`, `store.NewerFormat`, `agents.errors.UnknownAgent`,
        `agents.errors.UnreadableRecord`.
        """
        journal = await Journal.open(services.store, conversation_id, services.place, services.cluster, services.clock)
        try:
            agent, context = catalog.get(journal.meta.agent), catalog.context(journal.meta)
            driver = Driver(journal, agent, await journal.replay(), services, context)
        except Exception:
            await journal.leave("left")  # it has not come to the turn
            raise
        driver.start()
        return cls(driver)

    async def send(self, message: UserMessage, context: AgentContext | None = None) -> Receipt:
        """Accept a message: durable when this returns. Raises `Refused`, `Superseded`.

        `context` goes with the work of the turn in which the message is read. A message that was sent before, which
        its client id tells, is answered as it was then.
        """
        receipt = await self.find_receipt(message.client_id)
        return receipt or await self._driver.submit(await validate_message(message, self._driver.runtime), context)

    async def find_receipt(self, client_id: str | None) -> Receipt | None:
        """The receipt of a message that is in the log already, however old; such a message is never refused."""
        receipt = self.history.receipt(client_id)
        if receipt is None and client_id is not None and self.history.is_partial:
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

        The same decision of the same person gets the same receipt again, as long as it is in the working set.
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

    async def cancel(self, principal: str | None = None, turn: int | None = None) -> Receipt:
        """End the turn with this number (None: the one that runs or waits). Raises `Refused`, `Superseded`.

        A cancel of a turn that was cancelled before gets the same receipt as then, whatever runs now; as long as the
        end of the turn is in the working set.
        """
        try:
            return await self._driver.submit(Cancel(principal=principal, turn=turn))
        except Refused:
            counted = None if turn is None else self.history.cancelled(turn)
            if counted is None:
                raise
            return counted

    def inspect(self) -> ConversationStatus:
        """Answered at any moment, without waiting for anything."""
        return self._driver.status()

    @property
    def is_in_turn(self) -> bool:
        """Whether a turn has begun that is not over; it may wait for people."""
        return self._driver.machine.facts.running

    @property
    def resting_since(self) -> int | None:
        """When (ms since the epoch) it came to rest, at which nothing is under way; None while it works.

        A command that has not been answered yet is work, too.
        """
        return self._driver.resting_since

    @property
    def next_expiry(self) -> int | None:
        """When the earliest of its questions runs out, in ms since the epoch."""
        return self._driver.machine.facts.next_expiry

    async def rest(self) -> ConversationStatus:
        """Wait until the conversation is idle, waits for the outside, or is gone."""
        await self._driver.until(lambda: self._driver.is_at_rest)
        return self.inspect()

    async def stop(self) -> None:
        """Leave in good order: what is unfinished stays in the log for the next incarnation."""
        if not self.gone.done():
            self._driver.post(Stop())
            await asyncio.wait([self.gone])

    async def leave(self) -> bool:
        """Stop, unless there is work; return whether it has stopped. Later callers get `Superseded`."""
        if self.resting_since is None:
            return False
        await self.stop()
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
        for decided in self.history.decisions(resolution.tool_call_id):
            with suppress(Refused):
                if decided.is_same(await validate_resolution(resolution, decided.call, self._driver.runtime)):
                    return decided.receipt
        return None

    async def _events_of(self, turn: int) -> Sequence[Event]:
        """From the working set, or from the log when a summary stands for the turn."""
        summary = self.history.summary
        if summary is not None and turn <= summary.through_turn:
            return await self._driver.journal.read_turn(turn, summary.after)
        return [event for event in self.history.events if event.turn == turn]

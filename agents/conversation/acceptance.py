"""Takes commands into the log of a conversation that lives nowhere: durable at once, carried out once it lives."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from agents.agent import Agent, Catalog
from agents.context import AgentContext
from agents.conversation.conversation import Conversation
from agents.conversation.driver import Driver
from agents.conversation.history import History
from agents.conversation.journal import Journal
from agents.conversation.mailbox import Envelope
from agents.errors import AgentError, Refused
from agents.services import Services
from agents.tracing import NoTracer
from agents.turn import State, step
from agents.turn.commands import Broadcast, Command, RunTool, StopTools
from agents.turn.live import StateChanged
from agents.turn.states import ExitReason
from store import ConversationMeta
from store.errors import DuplicateMessage


class NeedsIncarnation(AgentError):
    """The command has effects that only an incarnation can have; nothing was written."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(conversation_id)
        self.conversation_id = conversation_id

    def __str__(self) -> str:
        return f"{self.conversation_id} has to live for this"


@asynccontextmanager
async def accepting(
    services: Services, catalog: Catalog, meta: ConversationMeta, *, messages: bool = True
) -> AsyncIterator[Conversation]:
    """The conversation as one that takes commands and carries none out, while the block runs.

    It refuses what an incarnation would refuse, and gives the same receipts. What an accepted command leads to, the
    next incarnation finds in the log. Its commands raise `NeedsIncarnation` as well, and `store.Fenced` or
    `store.errors.Conflict` when an incarnation has begun meanwhile. `meta` is how the conversation was found to live
    nowhere: if another writer has claimed since, `store.Fenced` is raised, and no writer is fenced. Without `messages`
    it takes answers, cancels and deliveries only, and for these it reads no more than the last turn, however long the
    log is.

    Raises what `Conversation.open` raises.
    """
    place, cluster = services.place, services.cluster
    journal = await Journal.open(services.store, meta.id, place, cluster, services.clock, current=meta.epoch)
    try:
        agent, context = catalog.get(journal.meta.agent), partial(catalog.make_context, journal.meta)
        history = await (journal.replay() if messages else journal.replay_turn())
        acceptor = _Acceptor(journal, agent, history, services, context)
        try:
            yield Conversation(acceptor)
        finally:
            acceptor.abandon()
    finally:
        if place:
            await journal.leave(ExitReason.IDLE)  # it can be reached, and must not count as lost


class _Acceptor(Driver):
    """A driver that decides and appends, and performs no effect; it is never started."""

    def __init__(
        self,
        journal: Journal,
        agent: Agent,
        history: History,
        services: Services,
        context: Callable[[str | None], AgentContext],
    ) -> None:
        super().__init__(journal, agent, history, services, context)
        self.machine = replace(self.machine, state=history.facts.phase)  # as it will be after its recovery
        self.runtime.turn_span = self.runtime.make_turn_span(NoTracer())  # the work is the next incarnation's

    async def _process(self, envelope: Envelope) -> None:
        try:
            await self._take(envelope)
        except Exception as error:  # noqa: BLE001 - its sender gets it
            envelope.fail(error)

    async def _take(self, envelope: Envelope) -> None:
        happened = await self._complete(envelope)
        if happened is None:
            return
        decided = step(self.machine, happened)
        if decided.refusal is not None:
            await self.journal.ownership.confirm()
            raise Refused(decided.refusal.code, decided.refusal.detail)
        if _need_incarnation(decided.commands):
            raise NeedsIncarnation(self.journal.conversation_id)
        decided = replace(
            decided, commands=tuple(command for command in decided.commands if not _is_premature(command))
        )
        try:
            receipt = await self._commit(happened, decided, envelope.context)
        except DuplicateMessage as duplicate:
            receipt = await self.journal.receipt_at(duplicate.seq)
        envelope.acknowledge(receipt)


def _is_premature(command: Command) -> bool:
    """Whether it tells watchers of a work that has not begun: the incarnation that begins with it tells them."""
    event = command.event if isinstance(command, Broadcast) else None
    return isinstance(event, StateChanged) and event.state is not State.IDLE


def _need_incarnation(commands: Sequence[Command]) -> bool:
    """Whether an effect is lost if it is not performed now: the recovery of an incarnation has all the others.

    What calls have started elsewhere is stopped by their end alone; and a call that reports an unknown outcome would
    report one, though it has not run.
    """
    return any(
        (isinstance(command, StopTools) and bool(command.abandoned))
        or (isinstance(command, RunTool) and command.call.on_unknown_outcome == "report")
        for command in commands
    )

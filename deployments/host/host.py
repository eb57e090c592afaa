"""What a host does: it activates conversations, delivers to them, and leaves.

All that matters about a conversation is in its log.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars

from agents.context import AgentContext
from agents.conversation import Conversation, ConversationStatus, Receipt
from agents.conversation.acceptance import NeedsIncarnation, accepting
from agents.conversation.drop_turn import DropTurn
from agents.errors import Superseded
from agents.mcp.pool import McpPool
from agents.services import Services
from agents.tracing import NO_SPAN
from agents.turn import State
from agents.turn.inputs import Cancel, RecordDelivery, Resolve, UserMessage
from agents.turn.states import ExitReason
from deployments.access.turn_limits import TurnLimits
from deployments.direct.listener import Listener, Methods
from deployments.host.activations import Activations
from deployments.host.admission import Admission, is_continuation
from deployments.host.eviction import Eviction
from deployments.host.host_metrics import HostMetrics
from deployments.host.housekeeping import Housekeeping
from deployments.host.load import HostLoad
from deployments.host.moves import Moves
from deployments.host.ray_tasks import RayTasks
from deployments.host.report import HostReporter
from deployments.host.shutdown import Shutdown
from deployments.process.agents import catalog
from deployments.process.gc_tuning import tune_gc
from deployments.process.logging import configure_logging
from deployments.process.mcp_servers import recall_from, report_to
from deployments.process.store import connect_store
from deployments.process.tracing import flush_at_end, traced, tracer_of
from deployments.routing.code_version import CodeVersion, OwnCodeVersion, has_stale_code
from deployments.routing.control_plane import cluster_name
from deployments.routing.door import Door
from deployments.routing.errors import NoRoom, StaleProcess
from deployments.routing.host_reports import asked_limit
from deployments.routing.placement import is_dedicated
from deployments.settings import Settings
from store import Fenced
from store.errors import Conflict

Sent = tuple[str | int | None, AgentContext]
"""The client id of a message, or the turn of an answer, and the context that came with it."""

ANNOUNCED_SECONDS = 2.0
"""How long a host waits for the store to say where it listens: callers can do without."""

log = structlog.get_logger(__name__)


class Host:
    """`name` is that of the actor; a dedicated one has room for its own conversation and leaves with it.

    `host_class` is the class of the actors that its own door starts. What each method promises is said at `HostActor`,
    whose methods `direct` are called without Ray, too.
    """

    def __init__(self, name: str, version: CodeVersion, host_class: type, direct: Methods) -> None:
        configure_logging()
        if has_stale_code():
            raise StaleProcess(name)
        settings = Settings()
        self.tracer, self.place = tracer_of(settings, name), name
        self._version = version
        self._catalog = catalog(settings)
        self._metrics = HostMetrics(self._catalog)
        self._reporter = HostReporter(version, self._metrics.recent)
        store = connect_store(settings, self._metrics.of_store)
        self._door = door = Door(settings, store, self._catalog, host_class, OwnCodeVersion.known(store, version))
        cluster = cluster_name()
        pool = McpPool(report=report_to(store), recall=recall_from(store))
        self._services = Services(
            store=store,
            conversations=door,
            tasks=RayTasks(),
            mcp=pool,
            place=name,
            cluster=cluster,
            is_alone=is_dedicated(name),
            limits=TurnLimits(door.known_limits, store),
            metrics=self._metrics.of_conversations,
            tracer=self.tracer,
        )
        self._activations = Activations()
        self._admission = Admission(settings, self._services.arrivals)
        self._eviction = Eviction(settings, store)
        self._load = HostLoad(name, cluster, settings, store, self._activations)
        self._shutdown = Shutdown(settings, self._services, self._load, self._activations, door.wake)
        self._moves = Moves(store, self._activations, door)
        self._housekeeping = Housekeeping(
            version, store, self._load, self._activations, self._eviction, self._shutdown, self._moves, self._activate
        )
        self._listener = Listener(store, direct)
        relayed = (store.relayed_metrics, name, self._activations, self._eviction)
        self._relay = self._metrics.relay(*relayed) if is_dedicated(name) else None
        self._taken_up: set[asyncio.Task[None]] = set()
        tune_gc()
        self._shutdown.end_if_unused(lambda: self._housekeeping.has_begun)

    @traced("host send")
    async def send(
        self, conversation_id: str, message: UserMessage, context: AgentContext, door_version: int
    ) -> Receipt:
        bind_contextvars(conversation_id=conversation_id, trace_id=context.trace_id)
        with self._admission.arrival(message):
            conversation = await self._find_or_activate(
                conversation_id,
                door_version,
                continuation=is_continuation(message),
                sent=(message.client_id, context),
            )
            return await self._admission.deliver(conversation, message, context)

    @traced("host resolve")
    async def resolve(
        self,
        conversation_id: str,
        resolution: Resolve | DropTurn | RecordDelivery,
        context: AgentContext,
        door_version: int,
    ) -> Receipt:
        bind_contextvars(conversation_id=conversation_id, trace_id=context.trace_id)
        if isinstance(resolution, DropTurn):
            return await (await self._find_or_activate(conversation_id, door_version)).drop_turn(resolution)
        if isinstance(resolution, RecordDelivery):
            return await self._record_delivery(conversation_id, resolution, door_version)
        accepted = await self._accept(
            conversation_id, door_version, lambda one: one.resolve(resolution, context), context
        )
        if accepted is not None:
            return accepted
        conversation = await self._find_or_activate(conversation_id, door_version)
        self._admission.note_working(conversation)
        return await conversation.resolve(resolution, context)

    async def _record_delivery(self, conversation_id: str, delivery: RecordDelivery, door_version: int) -> Receipt:
        accepted = await self._accept(conversation_id, door_version, lambda one: one.record_delivery(delivery))
        if accepted is not None:
            return accepted
        return await (await self._find_or_activate(conversation_id, door_version)).record_delivery(delivery)

    async def cancel(
        self, conversation_id: str, principal: str | None, door_version: int, turn: int | None, context: AgentContext
    ) -> Receipt:
        command = Cancel(principal=principal, turn=turn)
        return await self._cancel(conversation_id, command, context, door_version)

    @traced("host cancel")
    async def _cancel(self, conversation_id: str, command: Cancel, context: AgentContext, door_version: int) -> Receipt:
        bind_contextvars(conversation_id=conversation_id, trace_id=context.trace_id)
        principal, turn = command.principal, command.turn
        accepted = await self._accept(conversation_id, door_version, lambda one: one.cancel(principal, turn), context)
        if accepted is not None:
            return accepted
        return await (await self._find_or_activate(conversation_id, door_version)).cancel(principal, turn)

    async def wake(self, conversation_id: str, door_version: int) -> ConversationStatus:
        bind_contextvars(conversation_id=conversation_id)
        return (await self._find_or_activate(conversation_id, door_version)).inspect()

    def inspect(self, conversation_id: str) -> ConversationStatus | None:
        if (limit := asked_limit(conversation_id)) is not None:
            report: Any = self._reporter.report(self._activations.active(), self._eviction.hibernating, limit)
            return report  # type: ignore[no-any-return]  # see HostActor
        conversation = self._activations.find(conversation_id)
        return conversation.inspect() if conversation is not None else None

    async def missing(self, conversation_ids: Iterable[str]) -> list[str]:
        if not self._load.is_dedicated and not self._housekeeping.has_begun:
            await self._get_ready()  # a host that was started ahead of need is asked this first
        return [conversation_id for conversation_id in conversation_ids if conversation_id not in self._activations]

    async def stop(self, conversation_id: str) -> None:
        conversation = await self._activations.get(conversation_id)
        if conversation is not None:
            await conversation.stop(ExitReason.SHUTDOWN)

    async def dismiss(self, conversation_id: str) -> None:
        self._eviction.forget(conversation_id)
        conversation = await self._activations.get(conversation_id)
        if conversation is not None:
            conversation.abandon()

    async def make_room(self) -> bool:
        return await self._housekeeping.make_room()

    async def leave(self) -> None:
        await self._shutdown.leave()

    async def close(self) -> None:
        await self._listener.aclose()
        if self._relay is not None:
            await self._relay.send(is_last=True)
        await self._shutdown.close()
        await flush_at_end(self.tracer)

    async def _get_ready(self) -> None:
        """Be ready for people before the first report: from then on doors send conversations here."""
        self._listener.begin()
        await self._listener.wait_until_announced(ANNOUNCED_SECONDS)
        self._begin()

    def _begin(self) -> None:
        """Begin with what is done beside the calls, unless it has begun: it needs the event loop."""
        if not self._housekeeping.has_begun:
            self._housekeeping.begin()
            reporting = (
                self._metrics.run(self._activations, self._eviction) if self._relay is None else self._relay.run()
            )
            self._shutdown.cancel_at_end(asyncio.create_task(reporting))

    async def _find_or_activate(
        self, conversation_id: str, door_version: int, *, continuation: bool = True, sent: Sent | None = None
    ) -> Conversation:
        """The conversation, for a door with that code. A newer one gets it only while it works here.

        Raises `Superseded`, `NoRoom`: then the door goes on to another actor.
        """
        await self._require_own(conversation_id, door_version)
        return await self._activate(conversation_id, continuation=continuation, sent=sent)

    async def _accept(
        self,
        conversation_id: str,
        door_version: int,
        command: Callable[[Conversation], Awaitable[Receipt]],
        context: AgentContext | None = None,
    ) -> Receipt | None:
        """The receipt of an answer, a cancel or a delivery for a conversation that hibernates, or lives nowhere.

        It is taken into the log without the working set; only if there is work then, the conversation is activated
        after it. None if it lives here, or has to live for this command. Raises what `_find_or_activate` raises.
        """
        if conversation_id in self._activations:
            return None
        await self._require_own(conversation_id, door_version)
        await self._check_room(conversation_id, continuation=True)
        await self._require_here(conversation_id)
        meta = await self._services.store.registry.get(conversation_id)
        if conversation_id in self._activations:  # meanwhile; from here on, another writer is noticed by its epoch
            return None
        try:
            async with accepting(self._services, self._catalog, meta, messages=False) as conversation:
                receipt = await command(conversation)
                has_work = conversation.is_in_turn and conversation.inspect().state != State.AWAITING_INPUT
        except (NeedsIncarnation, Fenced, Conflict):
            return None
        if has_work:
            sent = None if context is None else (receipt.turn, context)
            taken_up = asyncio.create_task(self._take_up(conversation_id, sent))
            self._taken_up.add(taken_up)
            taken_up.add_done_callback(self._taken_up.discard)
        return receipt

    async def _take_up(self, conversation_id: str, sent: Sent | None) -> None:
        """Activate a conversation that has work; if that fails, the sweep finds it."""
        try:
            await self._activate(conversation_id, sent=sent)
        except Exception as error:  # noqa: BLE001 - its caller has been answered
            log.warning("not_taken_up", conversation_id=conversation_id, cause=str(error) or type(error).__name__)

    async def _require_own(self, conversation_id: str, door_version: int) -> None:
        """Raises `Superseded`, `NoRoom` if the conversation is not for this host any more."""
        if door_version > self._version.number and await self._let_go_if_resting(conversation_id):
            self._eviction.forget(conversation_id)
            if self._load.is_dedicated:
                self._shutdown.end()
                raise Superseded(conversation_id)
            raise NoRoom(self._load.name)
        if await self._moves.has_moved(conversation_id):
            raise Superseded(conversation_id)

    async def _let_go_if_resting(self, conversation_id: str) -> bool:
        """Let the conversation leave unless it works; whether it does not live here any more."""
        conversation = await self._activations.get(conversation_id)
        return conversation is None or await conversation.leave(ExitReason.REDEPLOYED)

    async def _activate(
        self, conversation_id: str, *, continuation: bool = True, sent: Sent | None = None
    ) -> Conversation:
        """The conversation, activated if need be; a `continuation` of accepted work needs no room.

        Raises `Superseded`, `NoRoom`, and what its activation raises.
        """
        if conversation_id not in self._activations:
            await self._check_room(conversation_id, continuation)
        try:
            return await self._activations.activate(conversation_id, partial(self._open, sent))
        except Exception:
            if self._load.is_dedicated:
                self._shutdown.end()  # the sweep must not take this actor for a live conversation
            raise

    async def _check_room(self, conversation_id: str, continuation: bool) -> None:
        await self._load.report_if_node_is_full()
        if self._shutdown.has_begun and self._load.is_dedicated:
            raise Superseded(conversation_id)  # by the next actor of that name
        if self._shutdown.has_begun or not (continuation or self._load.has_room()):
            raise NoRoom(self._load.name)

    async def _open(self, sent: Sent | None, conversation_id: str) -> Conversation:
        await self._require_here(conversation_id)
        begun, hibernated = time.monotonic(), self._eviction.hibernates(conversation_id)
        conversation = await self._activate_traced(conversation_id, sent)
        self._metrics.note_activation(conversation.meta, time.monotonic() - begun, hibernated=hibernated)
        self._eviction.note_active(conversation)
        self._admission.note_working(conversation)  # it goes on with what is unfinished
        conversation.gone.add_done_callback(lambda _: self._remove(conversation))
        return conversation

    async def _activate_traced(self, conversation_id: str, sent: Sent | None) -> Conversation:
        parent = None if sent is None else sent[1].traceparent
        span = NO_SPAN
        if parent is not None and self.tracer.is_on:
            span = self.tracer.span("activate", {"gen_ai.conversation.id": conversation_id}, parent)
        with span:
            conversation = await Conversation.open(self._services, conversation_id, self._catalog, sent)
            span.set({"raylogue.epoch": conversation.meta.epoch})
            return conversation

    async def _require_here(self, conversation_id: str) -> None:
        """Raises `Superseded` if another actor has the conversation."""
        self._begin()
        self._listener.begin()
        if await self._door.liveness.lives_elsewhere(conversation_id, self._load.name):
            raise Superseded(conversation_id)  # the door came by an old address: it follows the conversation

    def _remove(self, conversation: Conversation) -> None:
        """Its incarnation is over: it was stopped, or fenced by a newer one."""
        self._admission.forget(conversation)
        hibernates = self._eviction.hibernates(conversation.id)
        self._activations.remove(conversation)
        if self._load.is_dedicated and not hibernates:
            self._shutdown.end()

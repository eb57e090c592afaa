"""The door: the only way to reach a conversation. It finds its actor or starts one, anywhere in the cluster."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

import ray
import structlog
from ray.exceptions import ActorUnschedulableError, RayActorError, RayError, RayTaskError

from agents.agent import Catalog
from agents.context import AgentContext, current_context
from agents.conversation import Conversation, ConversationStatus, Receipt
from agents.conversation.command_target import find_turn, name_question
from agents.conversation.drop_turn import DropTurn
from agents.errors import Refused, Superseded
from agents.turn.inputs import Cancel, RecordDelivery, Resolve, UserMessage
from deployments.access.known_limits import KnownLimits
from deployments.direct.caller import CallFailed, DirectConnections
from deployments.process.tracing import traced, tracer_of
from deployments.routing.code_version import OwnCodeVersion
from deployments.routing.control_plane import Actor, ControlPlane
from deployments.routing.dedicated_starts import Accept, Command, DedicatedStarts, Reach, wake
from deployments.routing.errors import ControlPlaneUnavailable, NoRoom, Unreachable
from deployments.routing.known_hosts import KnownHosts
from deployments.routing.launcher import ActorSpec, Launcher
from deployments.routing.liveness import Liveness
from deployments.routing.older_hosts import cancel_turn
from deployments.routing.placement import actor_name, is_dedicated
from deployments.routing.start_ahead import StartAhead
from deployments.routing.start_line import StartLine
from deployments.routing.warm_workers import WarmWorkers
from deployments.settings import Settings
from store import ConversationMeta, ConversationNotFound, Store

log = structlog.get_logger(__name__)

T = TypeVar("T")

MAX_HANDLES = 100_000
PROMPT_SECONDS = 1.0
"""A host answers at once: if it has not after so long, it may be waiting for the store."""
CALL_SECONDS = 10.0
START_SECONDS = 60.0
"""How long the first answer may take: a process has to start for it, on a machine that may have much to do."""
PATIENCE_SECONDS = 20.0
"""How long a command is tried again, however its tries fail."""
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.05, 1.0


class Address(NamedTuple):
    """An actor in which a conversation lives, or will; `node` is set if this door has started it there."""

    name: str
    actor: Actor
    node: str | None = None


class Vacancy(NamedTuple):
    """A conversation that lives nowhere, and the actor of its own in which it may."""

    meta: ConversationMeta
    spec: ActorSpec


class Door:
    """One per process: `agents.services.Conversations` on the cluster that it belongs to.

    Commands are idempotent (a message by its client id, a cancel by its turn, a resolution by its question), so a call
    that an actor's death left in doubt is simply made again. Handles already held keep working while the control plane
    is away; new ones need it. `known_limits` are those of this process.
    `host_class` is the class of the actors: a host has a door itself, so neither module can import the other's class.
    """

    def __init__(
        self, settings: Settings, store: Store, agents: Catalog, host_class: type, code_version: OwnCodeVersion
    ) -> None:
        self.tracer, self.place = tracer_of(settings, "door"), ""
        self._code_version = code_version
        self._store = store
        self._direct = DirectConnections(store)
        self._control_plane = ControlPlane(settings.namespace, settings.dedicated_per_node)
        self.liveness = Liveness(self._control_plane, store)
        self.launcher = Launcher(settings, store, agents, self._control_plane, host_class, code_version)
        self._held: OrderedDict[str, Address] = OrderedDict()
        self.hosts = KnownHosts(self._control_plane, self._direct)
        self.line = StartLine(store, self._control_plane)
        self._warm = WarmWorkers() if settings.warm_workers else None
        self.ahead = StartAhead(self.launcher, self._control_plane, self.line, self._warm, code_version)
        self.known_limits = KnownLimits(settings, store)
        reach = Reach(self, self._call, self._end_work)
        self._dedicated = DedicatedStarts(settings, store, agents, self.line, reach, self.known_limits)

    async def ensure_started(self, conversation_id: str, full: Sequence[str] = ()) -> Address:
        """Where the conversation lives, or will from the first call on; not in the hosts in `full`.

        Raises `ControlPlaneUnavailable`, `store.ConversationNotFound`, `NoRoom`.
        """
        found = await self._find_place(conversation_id, full)
        return await self._start(found.spec) if isinstance(found, Vacancy) else found

    async def _find_place(self, conversation_id: str, full: Sequence[str]) -> Address | Vacancy:
        """Where the conversation lives; or an actor of its own, which has to be started first. Hosts are started."""
        held = self._held.get(conversation_id)
        if held is not None and held.name not in full:
            return held
        meta = await self._store.registry.get(conversation_id)
        if meta.place and meta.place not in full and (live := await self._find_at(meta.place)) is not None:
            return live
        dead: list[ActorSpec] = []
        async for spec in self.launcher.candidates(meta, full):
            if spec.name in full:
                continue
            if spec.answers and not await self._still_lives(spec):
                dead.append(spec)
                continue
            return Vacancy(meta, spec) if is_dedicated(spec.name) else await self._start(spec)
        if dead:
            return await self._start(dead[0])
        raise NoRoom("the cluster")

    async def find(self, conversation_id: str) -> Address | None:
        """Where the conversation lives, if it lives anywhere; nothing is started."""
        held = self._held.get(conversation_id)
        if held is not None:
            return held
        meta = await self._store.registry.get(conversation_id)
        return await self._find_at(meta.place) if meta.place else None

    @traced("door send")
    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext) -> Receipt:
        async def accept(one: Conversation) -> Receipt:
            await self._dedicated.require_room(one, message.client_id)
            return await one.send(message, context)

        return await self._call(
            conversation_id,
            lambda actor, version: actor.send.remote(conversation_id, message, context, version),
            accept,
            message=message,
        )

    @traced("door resolve")
    async def resolve(self, conversation_id: str, resolution: Resolve, context: AgentContext) -> Receipt:
        named = await name_question(self._store, conversation_id, resolution)
        command = _resolve(conversation_id, named, context)
        return await self._call(conversation_id, command, lambda one: one.resolve(named, context))

    async def drop_turn(self, conversation_id: str, drop: DropTurn, context: AgentContext) -> Receipt:
        """It goes the way of a resolution: an actor with the code before knows no other method."""
        return await self._call(conversation_id, _resolve(conversation_id, drop, context))

    async def record_delivery(self, conversation_id: str, delivery: RecordDelivery, context: AgentContext) -> Receipt:
        """What a channel has delivered of a turn; it goes the way of a resolution, as `drop_turn` does."""
        command = _resolve(conversation_id, delivery, context)
        return await self._call(conversation_id, command, lambda one: one.record_delivery(delivery))

    async def cancel(self, conversation_id: str, principal: str | None, turn: int | None = None) -> Receipt:
        wanted = await find_turn(self._store, conversation_id) if turn is None else turn
        return await self._cancel(conversation_id, Cancel(principal=principal, turn=wanted), current_context())

    @traced("door cancel")
    async def _cancel(self, conversation_id: str, command: Cancel, context: AgentContext) -> Receipt:
        call = cancel_turn(self._store, conversation_id, command, context)
        return await self._call(conversation_id, call, lambda one: one.cancel(command.principal, command.turn))

    async def wake(self, conversation_id: str) -> ConversationStatus:
        """Start the conversation if need be, so that it goes on with what is unfinished.

        An actor of its own is started in the background, in its turn: then this is the status in the log.
        """

        async def accept(one: Conversation) -> ConversationStatus:
            return one.inspect()

        return await self._call(conversation_id, wake(conversation_id), accept)

    async def status(self, conversation_id: str) -> ConversationStatus | None:
        """The status of a live conversation; None if it does not live or cannot be asked."""
        address = None
        try:
            while (address := await self.find(conversation_id)) is not None:
                seen = address.actor.inspect.remote(conversation_id)
                status: ConversationStatus | None = await asyncio.wait_for(seen, CALL_SECONDS)
                if status is not None or self._held.pop(conversation_id, None) is None:
                    return status
                # It has left that actor since this door was there: its place is in the store.
        except RayActorError:
            self._drop_address(conversation_id, address)
        except (RayError, TimeoutError, ControlPlaneUnavailable, ConversationNotFound) as error:
            log.info("no_glimpse", conversation_id=conversation_id, cause=str(error))
        return None

    async def dismiss(self, conversation_id: str, place: str | None) -> None:
        """End the work of a conversation that has been deleted; `place` is the actor in which it lived.

        Without a place, its own actor is ended if there is one: it may still be waiting for its resources.
        """
        self.line.leave(conversation_id)
        held = self._held.get(conversation_id)
        for known in [place] if place else {actor_name(conversation_id), *([held.name] if held else [])}:
            await self._end_work(conversation_id, known)

    async def _end_work(self, conversation_id: str, place: str) -> None:
        held = self._held.pop(conversation_id, None)
        if held is not None and held.name != place:
            held = None  # it has moved since this door was there
        address = held or await self._find_at(place)
        if address is None:
            return
        if is_dedicated(address.name):
            await asyncio.to_thread(ray.kill, address.actor)
        else:
            address.actor.dismiss.remote(conversation_id)

    async def _call(
        self,
        conversation_id: str,
        command: Command[T],
        accept: Accept[T] | None = None,
        message: UserMessage | None = None,
    ) -> T:
        """Call the actor; when it dies under the call, is dying, full or superseded, call its successor.

        A conversation whose own actor is yet to be started has its command accepted in the log, if there is `accept`.
        The actor is started after that; a command that is a `message` with a client id, it is called with all the same.
        """
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + PATIENCE_SECONDS, FIRST_PAUSE_SECONDS
        full: list[str] = []
        while True:
            try:
                found = await self._find_place(conversation_id, full)
            except NoRoom:
                full = await self._make_room(full)
                continue
            if isinstance(found, Vacancy) and accept is not None:
                with suppress(Superseded):  # it may live now
                    first = command if message is not None and message.client_id is not None else wake(conversation_id)
                    return await self._dedicated.accept(found.meta, accept, first, messages=message is not None)
            else:
                address = await self._start(found.spec) if isinstance(found, Vacancy) else found
                try:
                    return await self._try_once(conversation_id, address, command)
                except (RayTaskError, CallFailed) as error:
                    if isinstance(error.cause, NoRoom):
                        full.append(address.name)
                    elif not isinstance(error.cause, Superseded):
                        raise error.cause from error
                except (RayActorError, ActorUnschedulableError) as error:  # or its node is gone, or too new to be known
                    log.info("actor_died_under_call", conversation_id=conversation_id, cause=type(error).__name__)
                    self._note_failed_start(address, error)
                except TimeoutError as error:
                    self._drop_address(conversation_id, address)
                    await self.liveness.note_silence(address.name)
                    raise Unreachable(conversation_id) from error
                self._drop_address(conversation_id, address)
            if loop.time() + pause > deadline:
                raise Unreachable(conversation_id)
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)

    async def _make_room(self, full: Sequence[str]) -> list[str]:
        """Ask the full hosts to let idle conversations go; the hosts that are still full.

        Raises `Refused` if all of them are.
        """
        for number, name in enumerate(full):
            with suppress(RayError, TimeoutError):
                address = await self._find_at(name)
                if address is None or await asyncio.wait_for(address.actor.make_room.remote(), CALL_SECONDS):
                    return [*full[:number], *full[number + 1 :]]
        raise Refused("cluster_full", "All the room for conversations is taken by some that work; try again.")

    async def _try_once(self, conversation_id: str, address: Address, command: Command[T]) -> T:
        """One try; the address of an actor that has answered is held."""
        has_answered = self.hosts.has_answered(address.name) or self._held.get(conversation_id) == address
        version = (await self._code_version.get()).number
        async with asyncio.timeout(CALL_SECONDS if has_answered else START_SECONDS):
            actor = self._direct.prefer(address.actor) if has_answered else address.actor
            answer = await self._await_answer(command(actor, version))
        self._hold_address(conversation_id, address)
        if not is_dedicated(address.name):
            self.hosts.note_answer(address.name)
        return answer

    def _note_failed_start(self, address: Address, error: RayError) -> None:
        if address.node is not None and isinstance(error, RayActorError) and error.actor_init_failed:
            log.warning("node_avoided", node=address.node, cause=str(error))
            self._control_plane.avoid(address.node)

    async def _await_answer(self, answer: Awaitable[T]) -> T:
        """A host waits for the store as long as it must, but its caller does not.

        Raises `store.StoreUnavailable`.
        """
        answering = asyncio.ensure_future(answer)
        try:
            while not (await asyncio.wait([answering], timeout=PROMPT_SECONDS))[0]:
                await self._store.ping()
            return answering.result()
        finally:
            answering.cancel()

    async def _find_at(self, place: str) -> Address | None:
        actor = self.hosts.get(place) or await self._control_plane.find(place)
        return None if actor is None else Address(place, actor)

    async def _still_lives(self, spec: ActorSpec) -> bool:
        """Whether the host lives that has reported; if not, its report is taken away."""
        if spec.name in self.hosts or await self._control_plane.find(spec.name) is not None:
            return True
        await self._store.hosts.forget(spec.name)
        return False

    async def _start(self, spec: ActorSpec) -> Address:
        if is_dedicated(spec.name):
            spec = spec._replace(node=await self._control_plane.node_for_dedicated(spec.name))
        actor = self.hosts.get(spec.name) or await self._launch(spec)
        if not is_dedicated(spec.name):
            self.hosts.add(spec.name, actor)
        return Address(spec.name, actor, spec.node)

    async def _launch(self, spec: ActorSpec) -> Actor:
        """An actor of its own waits for a warm worker, unless its resources ask for another process."""
        raylets = {node.id: node.raylet for node in await self._control_plane.nodes()} if self._warm else {}
        raylet = raylets.get(spec.node or "")
        if self._warm is None or not raylet or spec.resources or not is_dedicated(spec.name):
            return await self.launcher.start(spec)
        async with self._warm.take(raylet):
            return await self.launcher.start(spec)

    def _hold_address(self, conversation_id: str, address: Address) -> None:
        self._held[conversation_id] = address
        self._held.move_to_end(conversation_id)
        if len(self._held) > MAX_HANDLES:
            self._held.popitem(last=False)

    def _drop_address(self, conversation_id: str, address: Address | None) -> None:
        if address is None:
            return
        self.hosts.forget(address.name, address.actor)
        if self._held.get(conversation_id) == address:
            del self._held[conversation_id]


def _resolve(conversation_id: str, command: object, context: AgentContext) -> Command[Receipt]:
    return lambda actor, version: actor.resolve.remote(conversation_id, command, context, version)

"""The door: the only way to reach a conversation. It returns the live one or starts it, anywhere in the cluster."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

import ray
import structlog
from ray.exceptions import ActorUnschedulableError, RayActorError, RayError, RayTaskError

from agents.agent import Catalog
from agents.context import AgentContext
from agents.conversation import ConversationStatus, Receipt
from agents.errors import Refused, Superseded
from agents.turn.inputs import Resolve, UserMessage
from deployments.routing.code_version import OwnCodeVersion
from deployments.routing.control_plane import Actor, ControlPlane
from deployments.routing.errors import ControlPlaneUnavailable, NoRoom, Unreachable
from deployments.routing.launcher import ActorSpec, Launcher
from deployments.routing.liveness import Liveness
from deployments.routing.placement import actor_name, is_dedicated
from deployments.settings import Settings
from store import ConversationNotFound, Store

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")
Ask = Callable[[Actor, int], Awaitable[Answer]]
"""What is asked of an actor, with the number of the caller's release."""

KEPT_HANDLES = 100_000
PROMPT_SECONDS = 1.0
"""A host answers at once: one that has not after so long may be waiting for the store."""
CALL_SECONDS = 10.0
START_SECONDS = 60.0
"""How long the first answer may take: a process has to start for it, on a machine that may have much to do."""
PATIENCE_SECONDS = 20.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0


class Address(NamedTuple):
    """An actor in which a conversation lives, or will; `node` is where it was started from here, if it was."""

    name: str
    actor: Actor
    node: str | None = None


class Door:
    """One per process: `agents.services.Conversations` on the cluster that it belongs to.

    Commands are idempotent (client ids, tool call ids, epochs), so a call that an actor's death left in doubt is
    simply made again. Handles already held keep working while the control plane is away; new ones need it.
    `host_class` is what is started: a host has a door itself, so neither module can import the other's class.
    """

    def __init__(
        self, settings: Settings, store: Store, agents: Catalog, host_class: type, release: OwnCodeVersion
    ) -> None:
        self._release = release
        self._store = store
        self._control_plane = ControlPlane(settings.namespace, settings.dedicated_per_node)
        self.liveness = Liveness(self._control_plane, store)
        self._launcher = Launcher(settings, store, agents, self._control_plane, host_class, release)
        self._held: OrderedDict[str, Address] = OrderedDict()
        self._hosts: dict[str, Actor] = {}
        self._answering: set[str] = set()

    async def ensure_started(self, conversation_id: str, full: Sequence[str] = ()) -> Address:
        """Where the conversation lives, or will from the first call on; not in those that are `full`.

        Raises `ControlPlaneUnavailable` when nobody can tell, `store.ConversationNotFound`, `NoRoom`.
        """
        held = self._held.get(conversation_id)
        if held is not None and held.name not in full:
            return held
        meta = await self._store.registry.get(conversation_id)
        if meta.place and meta.place not in full and (living := await self._living_at(meta.place)) is not None:
            return living
        async for start in self._launcher.places(meta, full):
            if start.name not in full:
                return await self._start(start)
        raise NoRoom("the cluster")

    async def find(self, conversation_id: str) -> Address | None:
        """Where the conversation lives, if it lives anywhere; nothing is started."""
        held = self._held.get(conversation_id)
        if held is not None:
            return held
        meta = await self._store.registry.get(conversation_id)
        return await self._living_at(meta.place) if meta.place else None

    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext) -> Receipt:
        return await self._call(
            conversation_id, lambda actor, caller: actor.send.remote(conversation_id, message, context, caller)
        )

    async def resolve(self, conversation_id: str, resolution: Resolve, context: AgentContext) -> Receipt:
        return await self._call(
            conversation_id, lambda actor, caller: actor.resolve.remote(conversation_id, resolution, context, caller)
        )

    async def cancel(self, conversation_id: str, principal: str | None) -> Receipt:
        return await self._call(
            conversation_id, lambda actor, caller: actor.cancel.remote(conversation_id, principal, caller)
        )

    async def wake(self, conversation_id: str) -> ConversationStatus:
        """Start the conversation if need be, so that it takes up what is unfinished."""
        return await self._call(conversation_id, lambda actor, caller: actor.wake.remote(conversation_id, caller))

    async def status(self, conversation_id: str) -> ConversationStatus | None:
        """What a live conversation shows of itself now; None if none lives or it cannot be asked."""
        address = None
        try:
            address = await self.find(conversation_id)
            if address is not None:
                seen = address.actor.inspect.remote(conversation_id)
                status: ConversationStatus | None = await asyncio.wait_for(seen, CALL_SECONDS)
                return status
        except RayActorError:
            self._forget(conversation_id, address)
        except (RayError, TimeoutError, ControlPlaneUnavailable, ConversationNotFound) as error:
            log.info("no_glimpse", conversation=conversation_id, cause=str(error))
        return None

    async def dismiss(self, conversation_id: str, place: str | None) -> None:
        """End what a conversation does that has been deleted; `place` is where it lived.

        One that never lived may still wait for the resources of an actor of its own.
        """
        held = self._held.pop(conversation_id, None)
        address = held or await self._living_at(place or actor_name(conversation_id))
        if address is None:
            return
        if is_dedicated(address.name):
            await asyncio.to_thread(ray.kill, address.actor)
        else:
            address.actor.dismiss.remote(conversation_id)

    async def _call(self, conversation_id: str, ask: Ask[Answer]) -> Answer:
        """Ask the actor; when it dies under the call, is dying, full or superseded, ask its successor."""
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + PATIENCE_SECONDS, FIRST_PAUSE
        full: list[str] = []
        while True:
            try:
                address = await self.ensure_started(conversation_id, full)
            except NoRoom:
                full = await self._make_room(full)
                continue
            try:
                return await self._answer(conversation_id, address, ask)
            except RayTaskError as error:
                if isinstance(error.cause, NoRoom):
                    full.append(address.name)
                elif not isinstance(error.cause, Superseded):
                    raise error.cause from error
            except (RayActorError, ActorUnschedulableError) as error:  # or its node is gone, or too new to be known
                log.info("actor_died_under_call", conversation=conversation_id, cause=type(error).__name__)
                self._note_failed_start(address, error)
            except TimeoutError as error:
                self._forget(conversation_id, address)
                await self.liveness.note_silence(address.name)
                raise Unreachable(conversation_id) from error
            self._forget(conversation_id, address)
            if loop.time() + pause > deadline:
                raise Unreachable(conversation_id)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _make_room(self, full: Sequence[str]) -> list[str]:
        """Ask hosts to let idle conversations go: those that are still full. Raises `Refused` if all are."""
        for number, name in enumerate(full):
            with suppress(RayError, TimeoutError):
                address = await self._living_at(name)
                if address is None or await asyncio.wait_for(address.actor.make_room.remote(), CALL_SECONDS):
                    return [*full[:number], *full[number + 1 :]]
        raise Refused("cluster_full", "All the room for conversations is taken by some that work; try again.")

    async def _answer(self, conversation_id: str, address: Address, ask: Ask[Answer]) -> Answer:
        """One try; who has answered once is held."""
        has_answered = address.name in self._answering or self._held.get(conversation_id) == address
        caller = (await self._release.get()).number
        async with asyncio.timeout(CALL_SECONDS if has_answered else START_SECONDS):
            answer = await self._unless_store_is_away(ask(address.actor, caller))
        self._hold(conversation_id, address)
        if not is_dedicated(address.name):
            self._answering.add(address.name)
        return answer

    def _note_failed_start(self, address: Address, error: RayError) -> None:
        if address.node is not None and isinstance(error, RayActorError) and error.actor_init_failed:
            log.warning("node_avoided", node=address.node, cause=str(error))
            self._control_plane.avoid(address.node)

    async def _unless_store_is_away(self, answer: Awaitable[Answer]) -> Answer:
        """A host waits for the store as long as it must; its callers are told. Raises `store.StoreUnavailable`."""
        answering = asyncio.ensure_future(answer)
        try:
            while not (await asyncio.wait([answering], timeout=PROMPT_SECONDS))[0]:
                await self._store.ping()
            return answering.result()
        finally:
            answering.cancel()

    async def _living_at(self, place: str) -> Address | None:
        actor = self._hosts.get(place) or await self._control_plane.find(place)
        return None if actor is None else Address(place, actor)

    async def _start(self, start: ActorSpec) -> Address:
        actor = self._hosts.get(start.name) or await self._launcher.start(start)
        if not is_dedicated(start.name):
            self._hosts[start.name] = actor
        return Address(start.name, actor, start.node)

    def _hold(self, conversation_id: str, address: Address) -> None:
        self._held[conversation_id] = address
        self._held.move_to_end(conversation_id)
        if len(self._held) > KEPT_HANDLES:
            self._held.popitem(last=False)

    def _forget(self, conversation_id: str, address: Address | None) -> None:
        if address is None:
            return
        self._answering.discard(address.name)
        if self._hosts.get(address.name) == address.actor:
            del self._hosts[address.name]
        if self._held.get(conversation_id) == address:
            del self._held[conversation_id]

"""What a host does: it activates, delivers, puts to sleep what nobody needs, and leaves.

All that matters about a conversation is in its log.
"""

import asyncio
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import ray
import structlog

from agents.context import AgentContext
from agents.conversation import Conversation, ConversationStatus, Receipt
from agents.errors import Superseded
from agents.services import Services
from agents.turn.inputs import Resolve, UserMessage
from deployments.host.activations import Activations
from deployments.host.admission import Admission, is_continuation
from deployments.host.cpu_load import CpuLoad
from deployments.host.eviction import Eviction
from deployments.host.ray_tasks import RayTasks
from deployments.process.agents import catalog
from deployments.process.gc_tuning import tune_gc
from deployments.process.logging import configure_logging
from deployments.process.store import connect_store
from deployments.routing.code_version import CodeVersion, OwnCodeVersion, has_stale_code
from deployments.routing.control_plane import cluster_name
from deployments.routing.door import Door
from deployments.routing.errors import NoRoom, StaleProcess
from deployments.routing.placement import beside, is_dedicated
from deployments.settings import Settings
from store import StoreError

log = structlog.get_logger(__name__)

TEND_SECONDS = 1.0
RELEASE_SECONDS = 5.0
"""How often a host asks whether there is newer code."""
GOING_AT_ONCE = 100
"""How many conversations an outdated host lets go of in one round, so that the log's server never feels it."""


class Host:
    """`name` is that of the actor; a dedicated one has room for its own conversation and leaves with it.

    `host_class` is what its own door starts. Who may ask what, and in which words, is said at the `HostActor`.
    """

    def __init__(self, name: str, release: CodeVersion, host_class: type) -> None:
        configure_logging()
        if has_stale_code():
            raise StaleProcess(name)
        self._release = release
        self._outdated = False
        self._settings = Settings()
        self._name = name
        self._dedicated = is_dedicated(name)
        self._room = 1 if self._dedicated else self._settings.host_conversations
        self._catalog = catalog(self._settings)
        self._store = connect_store(self._settings)
        self._door = Door(
            self._settings, self._store, self._catalog, host_class, OwnCodeVersion.known(self._store, release)
        )
        self._services = Services(
            store=self._store,
            conversations=self._door,
            tasks=RayTasks(),
            place=name,
            cluster=cluster_name(),
        )
        self._activations = Activations()
        self._eviction = Eviction(self._settings, self._store)
        self._admission = Admission(self._settings)
        self._room_making = asyncio.Lock()
        self._beside: int | None = None
        self._cpu_load = CpuLoad()
        self._leaving = self._left = False
        self._tending: asyncio.Task[None] | None = None
        self._next_check = 0.0
        tune_gc()
        self._leave_if_unused()

    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext, caller: int) -> Receipt:
        with self._admission.arrival(message):
            conversation = await self._for(caller, conversation_id, owed=is_continuation(message))
            return await self._admission.deliver(conversation, message, context)

    async def resolve(self, conversation_id: str, resolution: Resolve, context: AgentContext, caller: int) -> Receipt:
        conversation = await self._for(caller, conversation_id, owed=True)
        self._admission.note(conversation)
        return await conversation.resolve(resolution, context)

    async def cancel(self, conversation_id: str, principal: str | None, caller: int) -> Receipt:
        return await (await self._for(caller, conversation_id, owed=True)).cancel(principal)

    async def wake(self, conversation_id: str, caller: int) -> ConversationStatus:
        return (await self._for(caller, conversation_id, owed=True)).inspect()

    def inspect(self, conversation_id: str) -> ConversationStatus | None:
        conversation = self._activations.find(conversation_id)
        return conversation.inspect() if conversation is not None else None

    def missing(self, conversation_ids: Iterable[str]) -> list[str]:
        return [conversation_id for conversation_id in conversation_ids if conversation_id not in self._activations]

    async def stop(self, conversation_id: str) -> None:
        conversation = await self._activations.get(conversation_id)
        if conversation is not None:
            await conversation.stop()

    async def dismiss(self, conversation_id: str) -> None:
        conversation = await self._activations.get(conversation_id)
        if conversation is not None:
            conversation.abandon()

    async def make_room(self) -> bool:
        """Let the longest idle go; several who ask at once get a place each."""
        async with self._room_making:
            if not self._leaving and not self._has_room():
                await self._part_from(await self._eviction.longest_idle(self._activations.active()))
            return not self._leaving and self._has_room()

    async def leave(self) -> None:
        """What was let in a moment ago is waited for, so that nobody is forgotten."""
        if self._leaving:
            return
        self._leaving = True
        await self._activations.settle()
        living = self._activations.active()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds):
                await asyncio.gather(*(conversation.rest() for conversation in living))
        unfinished = [conversation.id for conversation in living if conversation.resting_since is None]
        await asyncio.gather(*(conversation.stop() for conversation in living))
        if not self._dedicated:
            await asyncio.gather(*map(self._hand_over, unfinished))
        self._leave()  # a dedicated one's successor needs its name: the sweep starts it once that is free

    async def close(self) -> None:
        """Be forgotten as a host, and close what is open; the process ends after this."""
        if not self._dedicated:
            with suppress(StoreError):
                await self._store.hosts.forget(self._name)
        await self._services.mcp.aclose()
        await self._store.aclose()

    async def _for(self, caller: int, conversation_id: str, *, owed: bool) -> Conversation:
        """The conversation, for a door of that release; raises what sends a newer one elsewhere."""
        if caller > self._release.number and not await self._works(conversation_id):
            self._eviction.forget(conversation_id)
            if self._dedicated:
                self._leave()
                raise Superseded(conversation_id)
            raise NoRoom(self._name)
        return await self._live(conversation_id, owed=owed)

    async def _works(self, conversation_id: str) -> bool:
        """Whether the conversation is in the middle of something here; if it only rests, it leaves."""
        conversation = await self._activations.get(conversation_id)
        return conversation is not None and not await conversation.leave()

    async def _hand_over(self, conversation_id: str) -> None:
        """Have what was stopped in the middle taken up elsewhere; if that fails, the sweep finds it."""
        try:
            await self._door.wake(conversation_id)
        except Exception as error:  # noqa: BLE001 - it must not keep the others from leaving
            log.warning("not_handed_over", conversation=conversation_id, cause=str(error))

    async def _live(self, conversation_id: str, *, owed: bool) -> Conversation:
        """The conversation, activated by whoever asks first; what is `owed` finds room where there is none."""
        if conversation_id not in self._activations:
            await self._admit(conversation_id, owed)
        try:
            return await self._activations.activate(conversation_id, self._activate)
        except Exception:
            if self._dedicated:
                self._leave()  # the sweeper must not take this for a living conversation
            raise

    async def _admit(self, conversation_id: str, owed: bool) -> None:
        if self._settings.node_conversations is not None and (self._beside is None or not self._has_room()):
            await self._report()  # whoever is asked next must not take this node for empty
        if self._leaving and self._dedicated:
            raise Superseded(conversation_id)  # by the next actor of that name
        if self._leaving or not (owed or self._has_room()):
            raise NoRoom(self._name)

    def _has_room(self) -> bool:
        most = self._settings.node_conversations
        on_node = len(self._activations) + (self._beside or 0)
        return len(self._activations) < self._room and (self._dedicated or most is None or on_node < most)

    async def _activate(self, conversation_id: str) -> Conversation:
        if self._tending is None:
            self._tending = asyncio.create_task(self._tend())
        conversation = await Conversation.open(self._services, conversation_id, self._catalog)
        self._eviction.enter(conversation)
        self._admission.note(conversation)  # it takes up what is unfinished

        conversation.gone.add_done_callback(lambda _: self._miss(conversation))
        return conversation

    def _miss(self, conversation: Conversation) -> None:
        """An incarnation is over when it is stopped, or fenced by a newer one."""
        self._admission.forget(conversation)
        asleep = self._eviction.is_asleep(conversation)
        self._activations.remove(conversation)
        if self._dedicated and not asleep:
            self._leave()

    async def _tend(self) -> None:
        """Now and then: report the load, and let go of what nobody needs."""
        while not self._leaving:
            await asyncio.sleep(TEND_SECONDS)
            try:
                await self._report()
                await self._check_release()
                await self._let_go()
            except Exception:
                log.exception("host_not_tended", host=self._name)

    async def _report(self) -> None:
        if self._dedicated:
            return
        await self._store.hosts.report(self._name, len(self._activations), busy=self._cpu_load.is_busy())
        if self._settings.node_conversations is not None:
            await self._look_beside()

    async def _look_beside(self) -> None:
        self._beside = beside(self._name, await self._store.hosts.loads())

    async def _check_release(self) -> None:
        """Let go of whoever rests once there is newer code, and end when all have: what comes next starts there."""
        if not self._outdated:
            if asyncio.get_running_loop().time() < self._next_check:
                return
            self._next_check = asyncio.get_running_loop().time() + RELEASE_SECONDS
            self._outdated = await self._store.code_versions.current() > self._release.number
        if self._outdated:
            resting = [
                conversation for conversation in self._activations.active() if conversation.resting_since is not None
            ]
            for conversation in resting[:GOING_AT_ONCE]:
                await conversation.leave()
            if not self._activations:
                self._leave()

    async def _let_go(self) -> None:
        await self._part_from(await self._eviction.due(self._activations.active()))
        for conversation_id in self._eviction.to_wake():
            await self._live(conversation_id, owed=True)
        if self._eviction.is_over(self._dedicated, len(self._activations)):
            self._leave()

    async def _part_from(self, conversations: Iterable[Conversation]) -> None:
        """Let them leave, those apart that have got work meanwhile."""
        for conversation in conversations:
            if await conversation.leave():
                self._activations.remove(conversation)  # at once: whoever made it leave counts on its room
            else:
                self._eviction.enter(conversation)

    def _leave_if_unused(self) -> None:
        """Whoever had it started may have died before the first word; an actor has no loop yet to wait in."""

        def look() -> None:
            if self._tending is None:
                self._leave()

        timer = threading.Timer(self._settings.leave_seconds, look)
        timer.daemon = True
        timer.start()

    def _leave(self) -> None:
        """End this process once the answers under way are out."""
        if self._left:
            return
        self._leaving = self._left = True
        if self._tending is not None:
            self._tending.cancel()
        me: Any = ray.get_runtime_context().current_actor
        me.exit.remote()

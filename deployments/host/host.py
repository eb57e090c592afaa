"""What a host does: it activates conversations, delivers to them, and leaves.

All that matters about a conversation is in its log.
"""

from collections.abc import Iterable

from agents.context import AgentContext
from agents.conversation import Conversation, ConversationStatus, Receipt
from agents.errors import Superseded
from agents.services import Services
from agents.turn.inputs import Resolve, UserMessage
from deployments.host.activations import Activations
from deployments.host.admission import Admission, is_continuation
from deployments.host.eviction import Eviction
from deployments.host.housekeeping import Housekeeping
from deployments.host.load import HostLoad
from deployments.host.ray_tasks import RayTasks
from deployments.host.shutdown import Shutdown
from deployments.process.agents import catalog
from deployments.process.gc_tuning import tune_gc
from deployments.process.logging import configure_logging
from deployments.process.store import connect_store
from deployments.routing.code_version import CodeVersion, OwnCodeVersion, has_stale_code
from deployments.routing.control_plane import cluster_name
from deployments.routing.door import Door
from deployments.routing.errors import NoRoom, StaleProcess
from deployments.settings import Settings


class Host:
    """`name` is that of the actor; a dedicated one has room for its own conversation and leaves with it.

    `host_class` is the class of the actors that its own door starts. What each method promises is said at `HostActor`.
    """

    def __init__(self, name: str, version: CodeVersion, host_class: type) -> None:
        configure_logging()
        if has_stale_code():
            raise StaleProcess(name)
        settings = Settings()
        store = connect_store(settings)
        self._version = version
        self._catalog = catalog(settings)
        door = Door(settings, store, self._catalog, host_class, OwnCodeVersion.known(store, version))
        self._services = Services(store=store, conversations=door, tasks=RayTasks(), place=name, cluster=cluster_name())
        self._activations = Activations()
        self._admission = Admission(settings)
        self._eviction = Eviction(settings, store)
        self._load = HostLoad(name, settings, store, self._activations)
        self._shutdown = Shutdown(settings, self._services, self._load, self._activations, door.wake)
        self._housekeeping = Housekeeping(
            version, store, self._load, self._activations, self._eviction, self._shutdown, self._activate
        )
        tune_gc()
        self._shutdown.end_if_unused(lambda: self._housekeeping.has_begun)

    async def send(
        self, conversation_id: str, message: UserMessage, context: AgentContext, door_version: int
    ) -> Receipt:
        with self._admission.arrival(message):
            conversation = await self._find_or_activate(
                conversation_id, door_version, continuation=is_continuation(message)
            )
            return await self._admission.deliver(conversation, message, context)

    async def resolve(
        self, conversation_id: str, resolution: Resolve, context: AgentContext, door_version: int
    ) -> Receipt:
        conversation = await self._find_or_activate(conversation_id, door_version)
        self._admission.note_working(conversation)
        return await conversation.resolve(resolution, context)

    async def cancel(self, conversation_id: str, principal: str | None, door_version: int, turn: int | None) -> Receipt:
        return await (await self._find_or_activate(conversation_id, door_version)).cancel(principal, turn)

    async def wake(self, conversation_id: str, door_version: int) -> ConversationStatus:
        return (await self._find_or_activate(conversation_id, door_version)).inspect()

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
        return await self._housekeeping.make_room()

    async def leave(self) -> None:
        await self._shutdown.leave()

    async def close(self) -> None:
        await self._shutdown.close()

    async def _find_or_activate(
        self, conversation_id: str, door_version: int, *, continuation: bool = True
    ) -> Conversation:
        """The conversation, for a door with that code. A newer one gets it only while it works here.

        Raises `Superseded`, `NoRoom`: then the door goes on to another actor.
        """
        if door_version > self._version.number and await self._let_go_if_resting(conversation_id):
            self._eviction.forget(conversation_id)
            if self._load.is_dedicated:
                self._shutdown.end()
                raise Superseded(conversation_id)
            raise NoRoom(self._load.name)
        return await self._activate(conversation_id, continuation=continuation)

    async def _let_go_if_resting(self, conversation_id: str) -> bool:
        """Let the conversation leave unless it works; whether it does not live here any more."""
        conversation = await self._activations.get(conversation_id)
        return conversation is None or await conversation.leave()

    async def _activate(self, conversation_id: str, *, continuation: bool = True) -> Conversation:
        """The conversation, activated if need be; a `continuation` of accepted work needs no room.

        Raises `Superseded`, `NoRoom`, and what its activation raises.
        """
        if conversation_id not in self._activations:
            await self._check_room(conversation_id, continuation)
        try:
            return await self._activations.activate(conversation_id, self._open)
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

    async def _open(self, conversation_id: str) -> Conversation:
        self._housekeeping.begin()
        conversation = await Conversation.open(self._services, conversation_id, self._catalog)
        self._eviction.note_active(conversation)
        self._admission.note_working(conversation)  # it goes on with what is unfinished
        conversation.gone.add_done_callback(lambda _: self._remove(conversation))
        return conversation

    def _remove(self, conversation: Conversation) -> None:
        """Its incarnation is over: it was stopped, or fenced by a newer one."""
        self._admission.forget(conversation)
        hibernates = self._eviction.hibernates(conversation.id)
        self._activations.remove(conversation)
        if self._load.is_dedicated and not hibernates:
            self._shutdown.end()

"""The named Ray actor in which conversations live: dedicated to one, or shared by many."""

import os
from collections.abc import Iterable

import ray

from agents.agent import Catalog
from agents.context import AgentContext
from agents.conversation import ConversationStatus, Receipt
from agents.former_names import sent_as
from agents.turn.inputs import Resolve, UserMessage
from deployments.direct.caller import METHODS
from deployments.host import host  # the module: in this one `Host` is the former name of the actor
from deployments.routing.code_version import CodeVersion, OwnCodeVersion, code_name
from deployments.routing.door import Door
from deployments.settings import Settings
from store import Store


@sent_as("deployments.host.Host")
class HostActor:
    """What other processes may ask of a host, and nothing else; `Host` does it.

    Ray sends this class to a node by the names of all its methods, and by which of them are coroutines. A node with
    the previous code must know each of them, or no host of newer code starts there: so methods are added with care.
    `Host` may change freely.

    `door_version` is the number of the calling door's code. For a door with newer code the host only goes on with
    what is under way; for all others it works as ever, until it finds out by itself that there is newer code.
    """

    def __init__(self, name: str, version: CodeVersion) -> None:
        self._host = host.Host(name, version, HostActor, {method: getattr(self, method) for method in METHODS})

    async def send(
        self, conversation_id: str, message: UserMessage, context: AgentContext, door_version: int = 0
    ) -> Receipt:
        return await self._host.send(conversation_id, message, context, door_version)

    async def resolve(
        self, conversation_id: str, resolution: Resolve, context: AgentContext, door_version: int = 0
    ) -> Receipt:
        """A `DropTurn` and a `RecordDelivery` come this way, too.

        Their classes are no part of the signature, which nodes with older code read.
        """
        return await self._host.resolve(conversation_id, resolution, context, door_version)

    async def cancel(
        self,
        conversation_id: str,
        principal: str | None,
        door_version: int = 0,
        turn: int | None = None,
        context: AgentContext | None = None,
    ) -> Receipt:
        return await self._host.cancel(conversation_id, principal, door_version, turn, context or AgentContext())

    async def wake(self, conversation_id: str, door_version: int = 0) -> ConversationStatus:
        """Activate the conversation if need be, so that it goes on with what is unfinished."""
        return await self._host.wake(conversation_id, door_version)

    async def inspect(self, conversation_id: str) -> ConversationStatus | None:
        """The status of a conversation; None if it hibernates, or lives elsewhere.

        A `deployments.routing.host_reports.question` is asked this way, too: its answer is a report of the host.
        """
        return self._host.inspect(conversation_id)

    async def missing(self, conversation_ids: Iterable[str]) -> list[str]:
        """Which of these conversations do not live here."""
        return await self._host.missing(conversation_ids)

    async def stop(self, conversation_id: str) -> None:
        """Let the conversation leave in good order, if it lives here."""
        await self._host.stop(conversation_id)

    async def dismiss(self, conversation_id: str) -> None:
        """The conversation has been deleted: drop what it is doing."""
        await self._host.dismiss(conversation_id)

    async def make_room(self) -> bool:
        """Let the longest idle conversations go, for one that finds no place anywhere; whether there is room then."""
        return await self._host.make_room()

    async def leave(self) -> None:
        """Take no conversation in any more, let turns come to rest, hand over the others, and end the process.

        To be asked again changes nothing.
        """
        await self._host.leave()

    async def pid(self) -> int:
        """The process, for operators and for tests that kill it."""
        return os.getpid()

    async def exit(self) -> None:
        """End this process: a detached actor lives until it says so."""
        await self._host.close()
        ray.actor.exit_actor()  # type: ignore[no-untyped-call]  # Ray has no type for it


def open_door(settings: Settings, store: Store, agents: Catalog, deployment: str | None = None) -> Door:
    """A door to the conversations; what `deployment` is, see `deployments.routing.code_version`."""
    return Door(settings, store, agents, HostActor, OwnCodeVersion(store, code_name(settings), deployment))

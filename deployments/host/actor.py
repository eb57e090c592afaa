"""A named Ray actor in which conversations live: one that has it for itself, or many that share it."""

import os
from collections.abc import Iterable

import ray

from agents.agent import Catalog
from agents.context import AgentContext
from agents.conversation import ConversationStatus, Receipt
from agents.former_names import sent_as
from agents.turn.inputs import Resolve, UserMessage
from deployments.host import host  # the module: in this one `Host` is the former name of the actor
from deployments.routing.code_version import CodeVersion, OwnCodeVersion, code_name
from deployments.routing.door import Door
from deployments.settings import Settings
from store import Store


@sent_as("deployments.host.Host")
class HostActor:
    """What others may ask of a host, and nothing else: the doorman does it.

    Ray sends this class to a node by the names of all its methods, and by which of them are coroutines. A node that
    has the previous code must know each of them, or no host of newer code starts there: so these change with care,
    and the doorman as it likes.

    `caller` is always the release of the door that asks. A newer one is served what is under way here, and nothing
    else; for all others the host works as ever, until it finds out by itself that there is newer code.
    """

    def __init__(self, name: str, release: CodeVersion) -> None:
        self._host = host.Host(name, release, HostActor)

    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext, caller: int = 0) -> Receipt:
        return await self._host.send(conversation_id, message, context, caller)

    async def resolve(
        self, conversation_id: str, resolution: Resolve, context: AgentContext, caller: int = 0
    ) -> Receipt:
        return await self._host.resolve(conversation_id, resolution, context, caller)

    async def cancel(self, conversation_id: str, principal: str | None, caller: int = 0) -> Receipt:
        return await self._host.cancel(conversation_id, principal, caller)

    async def wake(self, conversation_id: str, caller: int = 0) -> ConversationStatus:
        """Activate the conversation if need be, so that it takes up what is unfinished."""
        return await self._host.wake(conversation_id, caller)

    async def inspect(self, conversation_id: str) -> ConversationStatus | None:
        """What a conversation shows of itself now; None if it sleeps, or lives elsewhere."""
        return self._host.inspect(conversation_id)

    async def missing(self, conversation_ids: Iterable[str]) -> list[str]:
        """Those of these conversations that do not live here."""
        return self._host.missing(conversation_ids)

    async def stop(self, conversation_id: str) -> None:
        """Let the conversation leave in good order, if it lives here."""
        await self._host.stop(conversation_id)

    async def dismiss(self, conversation_id: str) -> None:
        """The conversation has been deleted: drop what it is doing."""
        await self._host.dismiss(conversation_id)

    async def make_room(self) -> bool:
        """Let the longest idle go now, for somebody who finds no place anywhere; whether there is a place then."""
        return await self._host.make_room()

    async def leave(self) -> None:
        """Take nobody in any more, let everybody come to rest, hand over the others, and end the process.

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

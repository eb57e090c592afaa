"""A named Ray actor in which conversations live: one that has it for itself, or many that share it."""

import os
from collections.abc import Iterable

import ray

from agents.agent import Catalog
from agents.context import AgentContext
from agents.conversation import Glimpse, Receipt
from agents.turn.inputs import Resolve, UserMessage
from deployments.door import Door
from deployments.doorman import Doorman
from deployments.release import OwnRelease, Release, code_of
from deployments.settings import Settings
from store import Store


class Host:
    """What others may ask of a host, and nothing else: the doorman does it.

    Ray sends this class to a node by the names of all its methods, and by which of them are coroutines. A node that
    has the previous code must know each of them, or no host of newer code starts there: so these change with care,
    and the doorman as it likes.

    `caller` is always the release of the door that asks. A newer one is served what is under way here, and nothing
    else; for all others the host works as ever, until it finds out by itself that there is newer code.
    """

    def __init__(self, name: str, release: Release) -> None:
        self._doorman = Doorman(name, release, Host)

    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext, caller: int = 0) -> Receipt:
        return await self._doorman.send(conversation_id, message, context, caller)

    async def resolve(
        self, conversation_id: str, resolution: Resolve, context: AgentContext, caller: int = 0
    ) -> Receipt:
        return await self._doorman.resolve(conversation_id, resolution, context, caller)

    async def cancel(self, conversation_id: str, principal: str | None, caller: int = 0) -> Receipt:
        return await self._doorman.cancel(conversation_id, principal, caller)

    async def wake(self, conversation_id: str, caller: int = 0) -> Glimpse:
        """Activate the conversation if need be, so that it takes up what is unfinished."""
        return await self._doorman.wake(conversation_id, caller)

    async def inspect(self, conversation_id: str) -> Glimpse | None:
        """What a conversation shows of itself now; None if it sleeps, or lives elsewhere."""
        return self._doorman.inspect(conversation_id)

    async def missing(self, conversation_ids: Iterable[str]) -> list[str]:
        """Those of these conversations that do not live here."""
        return self._doorman.missing(conversation_ids)

    async def stop(self, conversation_id: str) -> None:
        """Let the conversation leave in good order, if it lives here."""
        await self._doorman.stop(conversation_id)

    async def dismiss(self, conversation_id: str) -> None:
        """The conversation has been deleted: drop what it is doing."""
        await self._doorman.dismiss(conversation_id)

    async def make_room(self) -> bool:
        """Let the longest idle go now, for somebody who finds no place anywhere; whether there is a place then."""
        return await self._doorman.make_room()

    async def leave(self) -> None:
        """Take nobody in any more, let everybody come to rest, hand over the others, and end the process.

        To be asked again changes nothing.
        """
        await self._doorman.leave()

    async def pid(self) -> int:
        """The process, for operators and for tests that kill it."""
        return os.getpid()

    async def exit(self) -> None:
        """End this process: a detached actor lives until it says so."""
        await self._doorman.close()
        ray.actor.exit_actor()  # type: ignore[no-untyped-call]  # Ray has no type for it


def open_door(settings: Settings, store: Store, agents: Catalog, deployment: str | None = None) -> Door:
    """A door to the conversations; what `deployment` is, see `deployments.release`."""
    return Door(settings, store, agents, Host, OwnRelease(store, code_of(settings), deployment))

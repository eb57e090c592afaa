"""The conversations that live in one host: each is activated once, by whoever asks for it first."""

import asyncio
from collections.abc import Awaitable, Callable

from agents.conversation import Conversation


class Activations:
    """Of one host. Who is just being activated lives here already; whoever asks for it waits."""

    def __init__(self) -> None:
        self._active: dict[str, Conversation] = {}
        self._activations: dict[str, asyncio.Task[Conversation]] = {}

    def __len__(self) -> int:
        return len(self._active) + len(self._activations)

    def __contains__(self, conversation_id: str) -> bool:
        return conversation_id in self._active or conversation_id in self._activations

    def active(self) -> list[Conversation]:
        """Those that live here, without those that are just being activated."""
        return list(self._active.values())

    def find(self, conversation_id: str) -> Conversation | None:
        """The conversation, if it is active here."""
        return self._active.get(conversation_id)

    async def get(self, conversation_id: str) -> Conversation | None:
        """The conversation, if it lives here. Raises what its activation raises."""
        activation = self._activations.get(conversation_id)
        return self._active.get(conversation_id) if activation is None else await asyncio.shield(activation)

    async def activate(
        self, conversation_id: str, activation: Callable[[str], Awaitable[Conversation]]
    ) -> Conversation:
        """The conversation, which lives here from now on, unless its activation fails. Raises what that raises."""
        active = self._active.get(conversation_id)
        if active is not None:
            return active
        task = self._activations.get(conversation_id)
        if task is None:
            task = asyncio.create_task(self._activate(conversation_id, activation))
            self._activations[conversation_id] = task
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Wait until nobody is being activated any more."""
        await asyncio.gather(*self._activations.values(), return_exceptions=True)

    def remove(self, conversation: Conversation) -> None:
        """It lives here no more, unless it has been activated anew meanwhile."""
        if self.find(conversation.id) is conversation:
            del self._active[conversation.id]

    async def _activate(
        self, conversation_id: str, activation: Callable[[str], Awaitable[Conversation]]
    ) -> Conversation:
        try:
            conversation = self._active[conversation_id] = await activation(conversation_id)
        finally:
            del self._activations[conversation_id]
        return conversation

"""The conversations that live in one host: each is activated once, however many calls need it at the same time."""

import asyncio
from collections.abc import Awaitable, Callable

from agents.conversation import Conversation

Opener = Callable[[str], Awaitable[Conversation]]
"""Starts an incarnation of the conversation with that id."""


class Activations:
    """Of one host. A conversation counts from the beginning of its activation; further calls wait for its end."""

    def __init__(self) -> None:
        self._active: dict[str, Conversation] = {}
        self._activating: dict[str, asyncio.Task[Conversation]] = {}

    def __len__(self) -> int:
        return len(self._active) + len(self._activating)

    def __contains__(self, conversation_id: str) -> bool:
        return conversation_id in self._active or conversation_id in self._activating

    def active(self) -> list[Conversation]:
        """The conversations that live here, without any that is just being activated."""
        return list(self._active.values())

    def find(self, conversation_id: str) -> Conversation | None:
        """The conversation, if it is active now."""
        return self._active.get(conversation_id)

    async def get(self, conversation_id: str) -> Conversation | None:
        """The conversation, if it lives here. Raises what its activation raises."""
        activation = self._activating.get(conversation_id)
        return self._active.get(conversation_id) if activation is None else await asyncio.shield(activation)

    async def activate(self, conversation_id: str, open_conversation: Opener) -> Conversation:
        """The conversation, which lives here from now on, unless `open_conversation` fails. Raises what that raises."""
        active = self._active.get(conversation_id)
        if active is not None:
            return active
        task = self._activating.get(conversation_id)
        if task is None:
            task = asyncio.create_task(self._run(conversation_id, open_conversation))
            self._activating[conversation_id] = task
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Wait until no conversation is being activated any more."""
        await asyncio.gather(*self._activating.values(), return_exceptions=True)

    def remove(self, conversation: Conversation) -> None:
        """It lives here no more, unless it has been activated again meanwhile."""
        if self.find(conversation.id) is conversation:
            del self._active[conversation.id]

    async def _run(self, conversation_id: str, open_conversation: Opener) -> Conversation:
        try:
            conversation = self._active[conversation_id] = await open_conversation(conversation_id)
        finally:
            del self._activating[conversation_id]
        return conversation

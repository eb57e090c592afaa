"""The conversations that live in one host: each is activated once, by whoever asks for it first."""

import asyncio
from collections.abc import Awaitable, Callable

from agents.conversation import Conversation


class Residents:
    """Of one host. Who is just being activated lives here already; whoever asks for it waits."""

    def __init__(self) -> None:
        self._activations: dict[str, asyncio.Task[Conversation]] = {}

    def __len__(self) -> int:
        return len(self._activations)

    def __contains__(self, conversation_id: str) -> bool:
        return conversation_id in self._activations

    def active(self) -> list[Conversation]:
        """Those that live here, without those that are just being activated."""
        return [activation.result() for activation in self._activations.values() if _has_succeeded(activation)]

    def find(self, conversation_id: str) -> Conversation | None:
        """The conversation, if it is active here."""
        activation = self._activations.get(conversation_id)
        return activation.result() if activation is not None and _has_succeeded(activation) else None

    async def get(self, conversation_id: str) -> Conversation | None:
        """The conversation, if it lives here. Raises what its activation raises."""
        activation = self._activations.get(conversation_id)
        return await asyncio.shield(activation) if activation is not None else None

    async def activate(
        self, conversation_id: str, activation: Callable[[str], Awaitable[Conversation]]
    ) -> Conversation:
        """The conversation, which lives here from now on, unless its activation fails. Raises what that raises."""
        task = self._activations.get(conversation_id)
        if task is None:
            task = asyncio.ensure_future(activation(conversation_id))
            self._activations[conversation_id] = task
        try:
            return await asyncio.shield(task)
        except Exception:
            if self._activations.get(conversation_id) is task:
                del self._activations[conversation_id]
            raise

    async def settle(self) -> None:
        """Wait until nobody is being activated any more."""
        await asyncio.gather(*self._activations.values(), return_exceptions=True)

    def remove(self, conversation: Conversation) -> None:
        """It lives here no more, unless it has been activated anew meanwhile."""
        if self.find(conversation.id) is conversation:
            del self._activations[conversation.id]


def _has_succeeded(activation: "asyncio.Task[Conversation]") -> bool:
    return activation.done() and not activation.cancelled() and activation.exception() is None

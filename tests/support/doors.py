"""The door of a test's world: the product's own for one process, with trouble on the way to it."""

from collections.abc import Awaitable, Callable

from agents.agent import Catalog
from agents.conversation import Conversation, Receipt
from agents.local import LocalConversations
from store import Store

Revive = Callable[[str], Awaitable[Conversation]]


class Doors(LocalConversations):
    """Starts conversations with `revive`.

    Each command meets the next of `trouble` before it is let in; None lets it pass.
    """

    def __init__(self, store: Store, catalog: Catalog, revive: Revive) -> None:
        super().__init__(store, catalog)
        self.trouble: list[Exception | None] = []
        self._revive = revive

    async def start(self, conversation_id: str) -> Conversation:
        return await self._revive(conversation_id)

    async def _deliver(self, conversation_id: str, command: Callable[[Conversation], Awaitable[Receipt]]) -> Receipt:
        if self.trouble and (met := self.trouble.pop(0)) is not None:
            raise met
        return await super()._deliver(conversation_id, command)

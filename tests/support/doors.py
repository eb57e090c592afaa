"""The door of a test's world: the product's own for one process, with trouble on the way to it."""

from collections.abc import Awaitable, Callable

from agents.agent import Agent, Catalog
from agents.conversation import Conversation, Receipt
from agents.local import LocalConversations, Sent
from agents.models import ScriptedModel
from store import Store

Revive = Callable[[str], Awaitable[Conversation]]


class Doors(LocalConversations):
    """Starts conversations with `revive`.

    So it asks no catalog. Each command meets the next of `trouble` before it is let in; None lets it pass.
    """

    def __init__(self, store: Store, revive: Revive) -> None:
        super().__init__(store, Catalog([Agent(name="none", model=ScriptedModel([]))]))
        self.trouble: list[Exception | None] = []
        self._revive = revive

    async def start(self, conversation_id: str, sent: Sent | None = None) -> Conversation:
        return await self._revive(conversation_id)

    async def _deliver(
        self, conversation_id: str, command: Callable[[Conversation], Awaitable[Receipt]], sent: Sent | None = None
    ) -> Receipt:
        if self.trouble and (met := self.trouble.pop(0)) is not None:
            raise met
        return await super()._deliver(conversation_id, command, sent)

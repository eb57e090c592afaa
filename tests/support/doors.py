"""The door of a test's world: reaches any conversation by its id, and starts it if it does not live."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

from agents.context import AgentContext
from agents.conversation import Conversation, Receipt
from agents.errors import Superseded
from agents.turn.inputs import Resolve, UserMessage

Revive = Callable[[str], Awaitable[Conversation]]


class Doors:
    """`agents.services.Conversations` in one process; `live` are the newest incarnations by id.

    `trouble` meets those who ask, one by one, before they are let in; None lets one pass. What is
    asked is carried out even if the one who asked dies meanwhile, as it would be in another process.
    """

    def __init__(self, revive: Revive) -> None:
        self.live: dict[str, Conversation] = {}
        self.trouble: list[Exception | None] = []
        self._revive = revive
        self._starting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._asked: set[asyncio.Task[Receipt]] = set()

    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext) -> Receipt:
        return await self._deliver(conversation_id, lambda conversation: conversation.send(message, context))

    async def resolve(self, conversation_id: str, resolution: Resolve, context: AgentContext) -> Receipt:
        return await self._deliver(conversation_id, lambda conversation: conversation.resolve(resolution, context))

    async def cancel(self, conversation_id: str, principal: str | None) -> Receipt:
        return await self._deliver(conversation_id, lambda conversation: conversation.cancel(principal))

    async def reach(self, conversation_id: str) -> Conversation:
        """The living incarnation, or a new one."""
        async with self._starting[conversation_id]:
            found = self.live.get(conversation_id)
            return await self._revive(conversation_id) if found is None or found.gone.done() else found

    async def _deliver(self, conversation_id: str, ask: Callable[[Conversation], Awaitable[Receipt]]) -> Receipt:
        if self.trouble and (met := self.trouble.pop(0)) is not None:
            raise met
        task = asyncio.create_task(self._insist(conversation_id, ask))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)
        return await asyncio.shield(task)

    async def _insist(self, conversation_id: str, ask: Callable[[Conversation], Awaitable[Receipt]]) -> Receipt:
        while True:
            try:
                return await ask(await self.reach(conversation_id))
            except Superseded:
                await asyncio.sleep(0)

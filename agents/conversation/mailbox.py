"""What one conversation has been told and asked: taken one by one; while there is nothing, nobody waits for it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from dataclasses import dataclass

from agents.context import AgentContext
from agents.receipt import Receipt
from agents.turn import Input


@dataclass(slots=True)
class Envelope:
    """An input, and who waits for what comes of it."""

    happened: Input
    reply: "asyncio.Future[Receipt] | None" = None
    context: AgentContext | None = None

    def accept(self, receipt: Receipt) -> None:
        if self.reply is not None and not self.reply.done():
            self.reply.set_result(receipt)

    def refuse(self, error: Exception) -> None:
        if self.reply is not None and not self.reply.done():
            self.reply.set_exception(error)


class Mailbox:
    """Calls `take` with one letter after another, in the context in which the mailbox was made.

    A task does so, which ends with the last letter: most conversations are at rest, and those should weigh little.
    """

    def __init__(self, take: Callable[[Envelope], Awaitable[None]], name: str) -> None:
        self._take = take
        self._name = name
        self._envelopes: list[Envelope] = []
        self._context = copy_context()
        self._working: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many wait to be taken."""
        return len(self._envelopes)

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing in it, and nothing that has been taken is still at work."""
        return self._working is None

    def put(self, envelope: Envelope) -> None:
        self._envelopes.append(envelope)
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name=self._name, context=self._context)

    def close(self, error: Callable[[], Exception]) -> None:
        """Refuse what is in it, and drop what is at work, unless that is the caller."""
        if self._working is not None and self._working is not asyncio.current_task():
            self._working.cancel()
        while self._envelopes:
            self._envelopes.pop(0).refuse(error())

    async def _work(self) -> None:
        while self._envelopes:
            await self._take(self._envelopes.pop(0))
        self._working = None

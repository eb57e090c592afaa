"""The inputs of one conversation, processed one by one in their order; an empty mailbox has no task."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from dataclasses import dataclass

from structlog.contextvars import bind_contextvars, clear_contextvars

from agents.context import AgentContext
from agents.conversation.drop_turn import DropTurn
from agents.receipt import Receipt
from agents.turn import Input


@dataclass(slots=True)
class Envelope:
    """An input, the caller that waits for its receipt, if any, and the context that the caller sent along."""

    happened: Input | DropTurn
    reply: "asyncio.Future[Receipt] | None" = None
    context: AgentContext | None = None

    def acknowledge(self, receipt: Receipt) -> None:
        if self.reply is not None and not self.reply.done():
            self.reply.set_result(receipt)

    def fail(self, error: Exception) -> None:
        if self.reply is not None and not self.reply.done():
            self.reply.set_exception(error)


class Mailbox:
    """Calls `process` with one envelope after another, in the context in which the mailbox was made.

    A task does so and ends with the last envelope: most conversations are at rest, and should take little memory. What
    it logs, and what every task that begins in it logs, has the `conversation_id`.
    """

    def __init__(self, process: Callable[[Envelope], Awaitable[None]], conversation_id: str) -> None:
        self._process = process
        self._name = f"conversation {conversation_id}"
        self._envelopes: list[Envelope] = []
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._context = copy_context()
        self._context.run(clear_contextvars)  # a parent may have opened it in a turn of its own
        self._context.run(bind_contextvars, conversation_id=conversation_id)
        self._working: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many envelopes wait."""
        return len(self._envelopes)

    @property
    def is_quiet(self) -> bool:
        """Whether it is empty, and no envelope is being processed."""
        return self._working is None

    def put(self, envelope: Envelope) -> None:
        self._envelopes.append(envelope)
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name=self._name, context=self._context)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds: it is tried now, and whenever an envelope has been processed."""
        if not condition():
            reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((condition, reached))
            await reached

    def close(self, error: Callable[[], Exception]) -> None:
        """Fail all that waits, and cancel what is being processed, unless the caller itself is doing that."""
        if self._working is not None and self._working is not asyncio.current_task():
            self._working.cancel()
        while self._envelopes:
            self._envelopes.pop(0).fail(error())
        self._wake()

    async def _work(self) -> None:
        while self._envelopes:
            await self._process(self._envelopes.pop(0))
            self._wake()
        self._working = None

    def _wake(self) -> None:
        """Let those callers go on whose condition holds now."""
        for condition, reached in self._waiting:
            if not reached.done() and condition():
                reached.set_result(None)
        self._waiting = [waiting for waiting in self._waiting if not waiting[1].done()]

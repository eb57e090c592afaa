"""A question that many ask at the same moment, such as a burst of new conversations, is put once for all of them."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SharedQuestion(Generic[T]):
    """While an answer is on its way, callers that ask wait for the same one; the next caller after it asks anew."""

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """The answer. Raises what asking raises; a caller that is cancelled takes it from no other one."""
        if self._asking is None:
            # In a context of its own: it is the question of no single conversation.
            self._asking = asyncio.get_running_loop().create_task(self._ask(), context=Context())
            self._asking.add_done_callback(self._forget)
        return await asyncio.shield(self._asking)

    def _forget(self, asked: asyncio.Task[T]) -> None:
        self._asking = None
        if not asked.cancelled():
            asked.exception()  # all callers may have been cancelled meanwhile

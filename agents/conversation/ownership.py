"""Whether this incarnation still owns its conversation: asked again before what no append has just allowed.

An append proves it, since a fenced one fails. But a process may be stopped between the append of a call and its
execution, for longer than others wait for it: when it wakes up, somebody else has the conversation, and has made the
call. So a proof holds for a moment only. What remains is the time between the question and the effect itself, which
nobody but the tool can close: it takes the `tool_call_id` as its idempotency key.

A refusal is such an effect too: it speaks for the log, which may have gone on elsewhere.
"""

import time

from agents.errors import Superseded
from store import ConversationNotFound, Fenced, Store

PROOF_SECONDS = 0.02
"""How long a proof holds: longer than from an append to its effects, less than it takes another to carry on a turn."""


class Ownership:
    """Of one epoch of a conversation."""

    def __init__(self, store: Store, conversation_id: str, epoch: int) -> None:
        self._store = store
        self._writer = (conversation_id, epoch)
        self._proven_at = float("-inf")

    def prove(self, asked_at: float) -> None:
        """The store has confirmed it to a question of that time (by `now`)."""
        self._proven_at = asked_at

    async def confirm(self) -> None:
        """Return if it holds now, waiting for the store if need be. Raises `agents.errors.Superseded`."""
        asked_at = now()
        if asked_at - self._proven_at <= PROOF_SECONDS:
            return
        try:
            await self._store.log.confirm(self._writer)
        except (Fenced, ConversationNotFound) as error:
            raise Superseded(self._writer[0]) from error
        self.prove(asked_at)


def now() -> float:
    """Seconds that go on while the process, or the whole machine, is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)

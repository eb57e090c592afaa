"""Whether an incarnation still owns its conversation: asked before an effect that the log has not just allowed."""

import time

from agents.errors import Superseded
from store import ConversationNotFound, Fenced, Store

PROOF_SECONDS = 0.02
"""How long a proof of ownership holds: longer than it takes from an append to its effects, and less than another
incarnation needs to take up a turn."""


class Ownership:
    """Whether this incarnation still owns its conversation: confirmed before an effect that no append has just allowed.

    An append proves it, since a fenced one fails. But a process may be stopped between the append of a call and its
    execution, for so long that another incarnation takes up the conversation and makes the call. So a proof holds for a
    moment only. What remains is the time between the question and the effect itself. Only the tool can close that gap:
    it takes the `tool_call_id` as its idempotency key.

    A refusal is such an effect too: it speaks for the log, which may have gone on elsewhere.
    """

    def __init__(self, store: Store, conversation_id: str, epoch: int) -> None:
        self._store = store
        self._writer = (conversation_id, epoch)
        self._proven_at = float("-inf")

    def prove(self, asked_at: float) -> None:
        """Note that the store has confirmed it, when asked at that time (by `uptime`)."""
        self._proven_at = asked_at

    async def confirm(self) -> None:
        """Return if it holds now, waiting for the store if need be. Raises `agents.errors.Superseded`."""
        asked_at = uptime()
        if asked_at - self._proven_at <= PROOF_SECONDS:
            return
        try:
            await self._store.log.confirm(self._writer)
        except (Fenced, ConversationNotFound) as error:
            raise Superseded(self._writer[0]) from error
        self.prove(asked_at)


def uptime() -> float:
    """Seconds that go on while the process, or the whole machine, is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)

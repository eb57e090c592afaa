"""The limits that hold for turns: how many run at once, and what they may spend on a day; of one process."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import structlog

from agents.clock import now_ms
from agents.errors import Refused, TurnStopped
from deployments.access.known_limits import KnownLimits
from deployments.access.limits import LimitReached, SubjectLimits
from store import Store, StoreError
from store.registries.admitted import Bound

REACHED = "limit_reached"

log = structlog.get_logger(__name__)


class TurnLimits:
    """`agents.ports.TurnLimits`. While the store is away it keeps nothing from beginning."""

    def __init__(self, known: KnownLimits, store: Store) -> None:
        self._known = known
        self._store = store
        self._noting: set[asyncio.Task[None]] = set()

    async def begin_turn(self, conversation_id: str, principal: str) -> None:
        bounds = [
            Bound(one.subject.name, one.turns) for one in await self._known.of(principal) if one.turns is not None
        ]
        if not bounds:
            return
        try:
            full = await self._store.admitted.begin_turn(conversation_id, bounds, now_ms())
        except StoreError as error:
            log.warning("turn_not_counted", conversation_id=conversation_id, cause=str(error))
            return
        if full is not None:
            reached = LimitReached("turns", full.subject, full.most)
            raise Refused(REACHED, str(reached), reached.members)

    def note_turn(self, conversation_id: str, principal: str) -> None:
        if subjects := self._counting(principal):
            self._soon(self._store.admitted.note_turn(conversation_id, subjects, now_ms()), conversation_id)

    def end_turn(self, conversation_id: str, principal: str) -> None:
        if subjects := self._counting(principal):
            self._soon(self._store.admitted.end_turn(conversation_id, subjects), conversation_id)

    async def require_spending(self, principal: str) -> None:
        try:
            await self._known.require_spending(principal)
        except LimitReached as reached:
            raise TurnStopped(REACHED, str(reached)) from reached

    def _counting(self, principal: str) -> Sequence[str]:
        """For whom turns of this principal are counted, as far as it is known here: that was asked as they began."""
        known: Sequence[SubjectLimits] = self._known.remembered(principal) or ()
        return [one.subject.name for one in known if one.turns is not None]

    def _soon(self, work: Coroutine[Any, Any, None], conversation_id: str) -> None:
        task = asyncio.create_task(self._log_errors(work, conversation_id))
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _log_errors(self, work: Coroutine[Any, Any, None], conversation_id: str) -> None:
        """What is not noted, the index of unfinished turns says when a limit is reached."""
        try:
            await work
        except StoreError as error:
            log.warning("turn_not_counted", conversation_id=conversation_id, cause=str(error))

"""Which conversations a host lets go: parked ones hibernate, idle ones leave, the longest idle first under pressure."""

import asyncio
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

import structlog

from agents.clock import now_ms
from agents.conversation import Conversation
from agents.turn import State
from agents.turn.states import ExitReason
from deployments.ray_internals.memory_usage import memory_percent
from deployments.settings import Settings
from store import Store, StoreError

log = structlog.get_logger(__name__)

PRESSURE_SHARE = 0.1
"""The share of a shared host's conversations that goes at once when memory is short."""
MAX_EXCESS_PERCENT = 5.0
"""So far beyond the bound of memory no idle conversation stays: there Ray kills processes."""


class Hibernation(NamedTuple):
    """Since when a conversation hibernates, and when its question expires (ms since the epoch)."""

    since: int
    expiry: int | None


class Leaving(NamedTuple):
    """A conversation that is due to leave, and why."""

    conversation: Conversation
    reason: ExitReason


class Eviction:
    """Of one host. A conversation that hibernates keeps its place: the door still finds it here.

    Nothing is lost by either: the log has everything, pending calls and expiries included.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._hibernate_ms = round(settings.hibernate_seconds * 1000)
        self._leave_ms = round(settings.leave_seconds * 1000)
        self._memory_percent = settings.memory_percent
        self._store = store
        self._hibernating: dict[str, Hibernation] = {}
        self._empty_since: int | None = None

    def note_active(self, conversation: Conversation) -> None:
        """It does not hibernate any more."""
        self._hibernating.pop(conversation.id, None)

    def forget(self, conversation_id: str) -> None:
        """It will not come back here."""
        self._hibernating.pop(conversation_id, None)

    def hibernates(self, conversation_id: str) -> bool:
        """Whether the conversation has left for now, and keeps its place."""
        return conversation_id in self._hibernating

    @property
    def hibernating(self) -> int:
        """How many conversations hibernate here."""
        return len(self._hibernating)

    async def due(self, active: Sequence[Conversation]) -> list[Leaving]:
        """The conversations to be stopped now; none that works, or that is watched while its agent asks to stay."""
        excess = memory_percent() - self._memory_percent
        if excess < 0:
            return await self._due(active, 0, ExitReason.IDLE)
        log.warning("memory_is_short", living=len(active))
        # Dedicated actors know nothing of each other: how long a conversation has been idle decides among them.
        hurried = _share(active) if len(active) > 1 else 0
        return await self._due(active, hurried, ExitReason.MEMORY, max(0.0, 1 - excess / MAX_EXCESS_PERCENT))

    async def longest_idle(self, active: Sequence[Conversation]) -> list[Leaving]:
        """The conversations to be stopped now to make room: a share of all, so that it is not done too often."""
        return await self._due(active, _share(active), ExitReason.ROOM)

    async def _due(
        self, active: Sequence[Conversation], hurried: int, hurry: ExitReason, patience_left: float = 1.0
    ) -> list[Leaving]:
        """The first `hurried` go at once, the others when they have been idle for long enough; longest idle first.

        `hurry` is the reason of all that would stay if there were none.
        """
        now = now_ms()
        since = ((conversation.resting_since, conversation) for conversation in active)
        resting = sorted(((at, conversation) for at, conversation in since if at is not None), key=itemgetter(0))
        due: list[Leaving] = []
        for at, conversation in resting:
            is_hurried = len(due) < hurried  # a conversation that stays does not count
            if not is_hurried and now - at < patience_left * min(self._hibernate_ms, self._leave_ms):
                break
            parked = conversation.inspect().state == State.AWAITING_INPUT
            patience = self._hibernate_ms if parked else self._leave_ms
            if (not is_hurried and now - at < patience_left * patience) or await self._must_stay(conversation):
                continue
            if parked:
                self._hibernating[conversation.id] = Hibernation(now, conversation.next_expiry)
            due.append(Leaving(conversation, hurry if now - at < patience else ExitReason.IDLE))
        return due

    def expired(self) -> list[str]:
        """The conversations that hibernate although their question has expired."""
        now = now_ms()
        return [key for key, slept in self._hibernating.items() if slept.expiry is not None and slept.expiry <= now]

    def may_host_end(self, is_dedicated: bool, active: int) -> bool:
        """Whether the host itself has had nothing to do for long enough."""
        now = now_ms()
        for key in [key for key, slept in self._hibernating.items() if now - slept.since >= self._leave_ms]:
            del self._hibernating[key]  # the sweep wakes it when its question expires
        if active or self._hibernating:
            self._empty_since = None
            return False
        self._empty_since = self._empty_since or now
        return is_dedicated or now - self._empty_since >= self._leave_ms

    def keep_host(self) -> None:
        """It is needed though it has nothing to do: it may end when that has lasted for long enough again."""
        self._empty_since = None

    async def _must_stay(self, conversation: Conversation) -> bool:
        if not conversation.agent.stays_while_watched:
            return False
        try:
            async with asyncio.timeout(1.0):
                return await self._store.live.watchers(conversation.id) > 0
        except (StoreError, TimeoutError):
            return True


def _share(active: Sequence[Conversation]) -> int:
    return max(1, round(len(active) * PRESSURE_SHARE))

"""Who may be let go of: the parked hibernate, the idle leave, and under pressure the longest idle goes first."""

import asyncio
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

import structlog

from agents.clock import now_ms
from agents.conversation import Conversation
from agents.turn import State
from deployments.ray_internals.memory_usage import memory_percent
from deployments.settings import Settings
from store import Store, StoreError

log = structlog.get_logger(__name__)

PRESSURE_SHARE = 0.1
"""The share of a shared host's conversations that goes at once when memory is short."""
NO_PATIENCE_PERCENT = 5.0
"""So far beyond the bound nobody idle stays: there Ray kills processes. On the way, the longest idle go first."""


class Sleep(NamedTuple):
    """Since when a conversation hibernates, and when its question runs out (ms since the epoch)."""

    since: int
    expiry: int | None


class Eviction:
    """Of one host. A conversation that hibernates keeps its place: whoever asks for it finds it here.

    Nothing is lost by either: all that a conversation is stands in its log, its pending calls and expiries included.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._hibernate_ms = round(settings.hibernate_seconds * 1000)
        self._leave_ms = round(settings.leave_seconds * 1000)
        self._memory_percent = settings.memory_percent
        self._store = store
        self._asleep: dict[str, Sleep] = {}
        self._empty_since: int | None = None

    def enter(self, conversation: Conversation) -> None:
        """It lives again."""
        self._asleep.pop(conversation.id, None)

    def forget(self, conversation_id: str) -> None:
        """It will not come back here."""
        self._asleep.pop(conversation_id, None)

    def is_asleep(self, conversation: Conversation) -> bool:
        return conversation.id in self._asleep

    async def due(self, living: Sequence[Conversation]) -> list[Conversation]:
        """Those to be stopped now; never one that works, nor one that is watched and whose agent wants to stay."""
        excess = memory_percent() - self._memory_percent
        if excess < 0:
            return await self._due(living, 0)
        log.warning("memory_is_short", living=len(living))
        # Actors with one conversation know nothing of each other: how long it has been idle decides among them.
        hurried = _share(living) if len(living) > 1 else 0
        return await self._due(living, hurried, max(0.0, 1 - excess / NO_PATIENCE_PERCENT))

    async def longest_idle(self, living: Sequence[Conversation]) -> list[Conversation]:
        """Those to be stopped now so that others find room: a share, that it need not be done for each of them."""
        return await self._due(living, _share(living))

    async def _due(
        self, living: Sequence[Conversation], hurried: int, patience_left: float = 1.0
    ) -> list[Conversation]:
        """The first `hurried` go however short they have been idle, the others when they have been for long enough."""
        now = now_ms()
        since = ((conversation.resting_since, conversation) for conversation in living)
        resting = sorted(((at, conversation) for at, conversation in since if at is not None), key=itemgetter(0))
        due: list[Conversation] = []
        for at, conversation in resting:
            is_hurried = len(due) < hurried  # those that stay do not count
            if not is_hurried and now - at < patience_left * min(self._hibernate_ms, self._leave_ms):
                break
            parked = conversation.inspect().state == State.AWAITING_INPUT
            patience = patience_left * (self._hibernate_ms if parked else self._leave_ms)
            if (not is_hurried and now - at < patience) or await self._stays(conversation):
                continue
            if parked:
                self._asleep[conversation.id] = Sleep(now, conversation.next_expiry)
            due.append(conversation)
        return due

    def to_wake(self) -> list[str]:
        """Those that hibernate and whose question runs out now."""
        now = now_ms()
        return [key for key, sleep in self._asleep.items() if sleep.expiry is not None and sleep.expiry <= now]

    def is_over(self, dedicated: bool, living: int) -> bool:
        """Whether the host itself has nothing left to do for long enough."""
        now = now_ms()
        for key in [key for key, sleep in self._asleep.items() if now - sleep.since >= self._leave_ms]:
            del self._asleep[key]  # the sweeper wakes it when its question runs out
        if living or self._asleep:
            self._empty_since = None
            return False
        self._empty_since = self._empty_since or now
        return dedicated or now - self._empty_since >= self._leave_ms

    async def _stays(self, conversation: Conversation) -> bool:
        if not conversation.agent.stays_while_watched:
            return False
        try:
            async with asyncio.timeout(1.0):
                return await self._store.live.watchers(conversation.id) > 0
        except (StoreError, TimeoutError):
            return True


def _share(living: Sequence[Conversation]) -> int:
    return max(1, round(len(living) * PRESSURE_SHARE))

"""The feed of a person: what happened since it looked last, then what happens, as long as it may know of it."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from deployments.access.conversations import ConversationAccess
from deployments.access.errors import NotAllowed
from deployments.access.principal import Principal
from deployments.ingress.problems import Problem
from deployments.ingress.streams.watcher_state import WireEvent
from store import ConversationNotFound, Store
from store.errors import MissedEvents
from store.live.subscription import Subscription
from store.registries.personal_feeds import LIFETIME_MS, Told

MAX_STREAMS: Final = 32
"""Of one principal at one replica."""
MAX_PAGE_EVENTS: Final = 200
RENEWAL_SECONDS: Final = LIFETIME_MS / 24_000
CURSOR: Final = re.compile(r"[0-9]{1,15}-[0-9]{1,10}")


class PersonalFeedStreams:
    """Bounds how many streams a principal has; one per replica."""

    def __init__(self, store: Store, access: ConversationAccess) -> None:
        self._store = store
        self._access = access
        self._open: Counter[str] = Counter()

    def feed_of(self, principal: Principal) -> "PersonalFeed":
        return PersonalFeed(self._store, self._access, principal)

    @contextmanager
    def hold(self, principal: Principal) -> Iterator[None]:
        """Count one more stream while the block runs. Raises `Problem`."""
        if self._open[principal.id] >= MAX_STREAMS:
            raise Problem("too_many_streams", f"At most {MAX_STREAMS} feeds of one principal are open at once.")
        self._open[principal.id] += 1
        try:
            yield
        finally:
            self._open[principal.id] -= 1
            if not self._open[principal.id]:
                del self._open[principal.id]


class PersonalFeed:
    """What one reader is told. Each event has its `id`, and those of one principal only rise.

    A `reset` says that something may be missing before it: the reader looks its lists up again.
    """

    def __init__(self, store: Store, access: ConversationAccess, principal: Principal) -> None:
        self._feeds = store.personal_feeds
        self._access = access
        self._principal = principal

    async def page(self, cursor: str | None) -> tuple[list[WireEvent], str]:
        """What was told after the cursor, and the next cursor. Raises StoreUnavailable."""
        newest = await self._feeds.open(self._principal.id)
        after = _parsed(cursor)
        told = None if after is None else await self._feeds.read(self._principal.id, after, MAX_PAGE_EVENTS)
        if after is None or told is None:
            return [_reset(newest)], newest
        return [event async for event in self._allowed(told)], told[-1].id if told else after

    async def events(self, cursor: str | None, tail: Subscription) -> AsyncGenerator[WireEvent, None]:
        """What was told after the cursor, then what is told, for ever; `tail` listens already."""
        newest = await self._feeds.open(self._principal.id)
        last = _parsed(cursor)
        # One of the two always comes first, so that a reader sees at once that it is connected.
        yield _reset(newest) if last is None else {"type": "resumed", "id": last}
        last = last or newest
        while True:
            async for event in self._catch_up(last):
                last = event["id"]
                yield event
            try:
                async for told in self._follow(tail):
                    if _is_after(told.id, last):
                        last = told.id
                        async for event in self._allowed([told]):
                            yield event
            except MissedEvents:
                continue

    async def _catch_up(self, last: str) -> AsyncIterator[WireEvent]:
        """What was told after `last`, or a `reset` if that is not all kept any more."""
        while (page := await self._feeds.read(self._principal.id, last, MAX_PAGE_EVENTS)) is not None:
            async for event in self._allowed(page):
                yield event
            if len(page) < MAX_PAGE_EVENTS:
                return
            last = page[-1].id
        yield _reset(await self._feeds.open(self._principal.id))

    async def _follow(self, tail: Subscription) -> AsyncIterator[Told]:
        """What is told, as it is told; the feed lives on meanwhile. Raises MissedEvents."""
        renewed = time.monotonic()
        while True:
            message: Mapping[str, Any] | None = None
            try:
                async with asyncio.timeout(RENEWAL_SECONDS):
                    message = await tail.get()
            except TimeoutError:
                pass
            if time.monotonic() - renewed >= RENEWAL_SECONDS:
                await self._feeds.open(self._principal.id)
                renewed = time.monotonic()
            if message is not None:
                yield Told(message["id"], message["event"])

    async def _allowed(self, told: list[Told]) -> AsyncIterator[WireEvent]:
        """What the person may know of it now: it may have lost its access since it was told."""
        for entry in told:
            event = entry.event
            if event["type"] == "conversation_deleted" or self._is_removal(event) or await self._may_read(event):
                yield {**event, "id": entry.id}

    async def _may_read(self, event: Mapping[str, Any]) -> bool:
        if "schedule_id" in event:  # the one person who is told of a schedule is its owner
            return True
        try:
            await self._access.require(self._principal, event["conversation_id"], "read")
        except (ConversationNotFound, NotAllowed):
            return False
        return True

    def _is_removal(self, event: Mapping[str, Any]) -> bool:
        """Whether it tells this person that it is no member any more."""
        is_own = event["type"] == "members_changed" and event["principal"] == self._principal.id
        return is_own and event["role"] is None


def _reset(newest: str) -> WireEvent:
    return {"type": "reset", "id": newest}


def _parsed(cursor: str | None) -> str | None:
    """The cursor, if it is one."""
    return cursor if cursor is not None and CURSOR.fullmatch(cursor) else None


def _is_after(event_id: str, last: str) -> bool:
    return [int(part) for part in event_id.split("-")] > [int(part) for part in last.split("-")]

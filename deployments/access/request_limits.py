"""The limits that hold for requests: how many, how large, and how many open streams; of one replica."""

import asyncio
import math
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from limits import RateLimitItem
from limits.aio.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter

from agents.clock import now_ms
from deployments.access.known_limits import KnownLimits
from deployments.access.limits import Kind, LimitReached, Subject, SubjectLimits, rate_text
from deployments.access.rate_storage import RateStorage, key_of
from deployments.background.periodic import run_periodically
from store import Store, StoreError
from store.registries.admitted import Bound

SETTLED_SECONDS: Final = 0.25
"""How late a replica hears what others have counted."""
RENEWED_SECONDS: Final = 10.0

log = structlog.get_logger(__name__)


class RequestLimits:
    """Every call may raise LimitReached, and waits for the store only where a stream is opened."""

    def __init__(self, known: KnownLimits, store: Store) -> None:
        self._known = known
        self._store = store
        self._storage = RateStorage(store.counters)
        self._requests = SlidingWindowCounterRateLimiter(self._storage)
        self._bytes = FixedWindowRateLimiter(self._storage)
        self._streams: dict[str, Sequence[str]] = {}

    async def admit(self, principal: str) -> None:
        """Count a request."""
        for limits in await self._known.of(principal):
            rate = limits.requests
            if rate is not None:
                key = key_of("requests", limits.subject.name)
                if not await self._requests.hit(rate, key):
                    raise self._reached(
                        "requests", limits, rate, self._storage.admits_at(rate.key_for(key), rate.amount)
                    )

    async def require_bytes(self, principal: str) -> None:
        """Before a body is read: whether any byte is left."""
        for limits in await self._known.of(principal):
            rate = limits.bytes
            if rate is not None:
                key = key_of("bytes", limits.subject.name)
                if not await self._bytes.test(rate, key):
                    raise self._reached("bytes", limits, rate, await self._storage.get_expiry(rate.key_for(key)))

    async def count_bytes(self, principal: str, size: int) -> None:
        """After that: what it was. So the last body may go beyond the limit."""
        for limits in await self._known.of(principal):
            if limits.bytes is not None and size:
                await self._bytes.hit(limits.bytes, key_of("bytes", limits.subject.name), cost=size)

    @asynccontextmanager
    async def stream(self, principal: str) -> AsyncIterator[None]:
        """An open stream while the block runs."""
        bounds = [
            Bound(one.subject.name, one.streams) for one in await self._known.of(principal) if one.streams is not None
        ]
        if not bounds:
            yield
            return
        name, subjects = uuid.uuid4().hex, [bound.subject for bound in bounds]
        try:
            full = await self._store.admitted.open_stream(name, bounds, now_ms())
        except StoreError as error:
            log.warning("stream_not_counted", principal=principal, cause=str(error))
            full = None
        if full is not None:
            raise LimitReached("streams", full.subject, full.most)
        self._streams[name] = subjects
        try:
            yield
        finally:
            del self._streams[name]
            await self._close(name, subjects)

    async def used(self, subject: Subject) -> dict[str, Any]:
        """What a subject uses now. Raises StoreUnavailable."""
        now = now_ms()
        turns, streams, spent = await asyncio.gather(
            self._store.admitted.turns(subject.name, now),
            self._store.admitted.streams(subject.name, now),
            self._store.usage.total(subject.scope(now)),
        )
        return {"turns": turns, "streams": streams, "tokens": spent.tokens, "cost": spent.cost}

    async def run(self) -> None:
        """Until cancelled: tell other replicas what is counted here, and that streams are open."""
        await asyncio.gather(
            run_periodically(self._storage.settle, SETTLED_SECONDS, "requests_not_counted"),
            run_periodically(self._renew, RENEWED_SECONDS, "streams_not_renewed"),
        )

    async def _renew(self) -> None:
        if self._streams:
            await self._store.admitted.renew_streams(list(self._streams.items()), now_ms())

    async def _close(self, name: str, subjects: Sequence[str]) -> None:
        try:
            await self._store.admitted.close_stream(name, subjects)
        except StoreError as error:  # then its lease ends by itself
            log.warning("stream_not_closed", cause=str(error))

    def _reached(self, kind: Kind, limits: SubjectLimits, rate: RateLimitItem, at: float | None) -> LimitReached:
        resets_at = None if at is None or not rate.amount else math.ceil(at * 1000)
        return LimitReached(kind, limits.subject.name, rate_text(rate), resets_at)

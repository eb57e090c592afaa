"""Which limits hold for whom, and what is left of a day: of one process, which remembers it for moments."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, TypeVar

import structlog

from agents.clock import now_ms
from deployments.access.limits import Subject, SubjectLimits, make_limits, parse_limits, reached_today, subjects_of
from deployments.access.settings import AccessSettings
from store import Store, StoreError
from store.registries.limits import Values
from store.registries.usage import UsageTotal

REMEMBERED_SECONDS: Final = 10.0
"""How late a process notices that an admin has set other limits."""
SPENT_SECONDS: Final = 1.0
"""How old the sums of a day may be."""
MAX_REMEMBERED: Final = 10_000

T = TypeVar("T")

log = structlog.get_logger(__name__)


class KnownLimits:
    """While the store is away what was known holds, or else the settings: no request is refused because of that."""

    def __init__(self, settings: AccessSettings, store: Store) -> None:
        self._principals = parse_limits(settings.limits or "")
        self._tenants = parse_limits(settings.tenant_limits or "")
        self._store = store
        self._known: OrderedDict[str, tuple[float, tuple[SubjectLimits, ...]]] = OrderedDict()
        self._reading: dict[str, asyncio.Task[tuple[SubjectLimits, ...]]] = {}
        self._spent: OrderedDict[str, tuple[float, UsageTotal]] = OrderedDict()

    async def of(self, principal: str) -> Sequence[SubjectLimits]:
        """The principal's own limits, and its tenant's. Only what is asked for the first time is waited for."""
        known = self._known.get(principal)
        if known is None:
            return await asyncio.shield(self._read_soon(principal))
        read_at, limits = known
        if time.monotonic() - read_at > REMEMBERED_SECONDS:
            self._read_soon(principal)
        return limits

    def remembered(self, principal: str) -> Sequence[SubjectLimits] | None:
        """What is known without asking."""
        known = self._known.get(principal)
        return None if known is None else known[1]

    async def read(self, subject: Subject) -> SubjectLimits:
        """The limits of one subject as they are now. Raises StoreUnavailable."""
        [values] = await self._store.limits.get([subject.name])
        return self._make(subject, values)

    def forget(self) -> None:
        """Ask again, of all: an admin has set something here."""
        self._known.clear()

    async def require_spending(self, principal: str) -> None:
        """Raises LimitReached when nothing is left of what the principal or its tenant may spend today."""
        now = now_ms()
        for limits in await self.of(principal):
            if not limits.bounds_spending:
                continue
            spent = await self._spent_today(limits.subject.scope(now))
            if spent is None:
                return
            if limits.tokens is not None and spent.tokens >= limits.tokens:
                raise reached_today("tokens", limits.subject.name, limits.tokens, now)
            if limits.cost is not None and spent.cost >= limits.cost:
                raise reached_today("cost", limits.subject.name, limits.cost, now)

    async def _spent_today(self, scope: str) -> UsageTotal | None:
        """None: the store does not answer."""
        read_at, total = self._spent.get(scope, (float("-inf"), UsageTotal(0, 0)))
        if time.monotonic() - read_at > SPENT_SECONDS:
            try:
                total = await self._store.usage.total(scope)
            except StoreError as error:
                log.warning("spending_unknown", scope=scope, cause=str(error))
                return None
            _remember(self._spent, scope, (time.monotonic(), total))
        recorded = self._store.usage.known_total(scope) or total  # newer, where this process runs turns
        return UsageTotal(max(total.tokens, recorded.tokens), max(total.cost, recorded.cost))

    def _read_soon(self, principal: str) -> asyncio.Task[tuple[SubjectLimits, ...]]:
        reading = self._reading.get(principal)
        if reading is None:
            reading = self._reading[principal] = asyncio.create_task(self._read(principal))
            reading.add_done_callback(lambda _: self._reading.pop(principal, None))
        return reading

    async def _read(self, principal: str) -> tuple[SubjectLimits, ...]:
        subjects = subjects_of(principal)
        try:
            found = await self._store.limits.get([subject.name for subject in subjects])
        except StoreError as error:
            log.warning("limits_unknown", principal=principal, cause=str(error))
            known = self._known.get(principal)
            return known[1] if known else tuple(self._make(subject, {}) for subject in subjects)
        limits = tuple(self._make(subject, values) for subject, values in zip(subjects, found, strict=True))
        _remember(self._known, principal, (time.monotonic(), limits))
        return limits

    def _make(self, subject: Subject, values: Values) -> SubjectLimits:
        return make_limits(subject, self._tenants if subject.is_tenant else self._principals, values)


def _remember(known: OrderedDict[str, T], name: str, value: T) -> None:
    known[name] = value
    known.move_to_end(name)
    if len(known) > MAX_REMEMBERED:
        known.popitem(last=False)

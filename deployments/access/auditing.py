"""Writes to the audit what people do at the door, before it is done; and, later, what was refused."""

import uuid
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Final, Protocol

import psutil
import structlog

from agents.clock import now_ms
from deployments.access.principal import Principal
from store import StoreUnavailable
from store.audit.lines import AuditEvent
from store.principals import NO_TENANT

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 10_000
NO_DATA: Final[Mapping[str, Any]] = MappingProxyType({})


class AuditLines(Protocol):
    """Where lines are written: `Store.audit`, or another way to it."""

    async def append(self, tenant: str, events: Sequence[AuditEvent], now: int) -> None:
        """Write those of the events that are not written yet. Raises StoreUnavailable."""


def machine_user() -> Mapping[str, str]:
    """Who runs this process, as the machine knows that person: for the lines of commands, which know no principal."""
    try:
        return {"machine_user": psutil.Process().username()}
    except (psutil.Error, KeyError):
        return {}


class Auditor:
    """Of one process. What it cannot write now it logs, and writes with `flush` once the store is there again."""

    def __init__(self, lines: AuditLines) -> None:
        self._lines = lines
        self._waiting: deque[tuple[str, AuditEvent]] = deque()

    @asynccontextmanager
    async def act(
        self,
        kind: str,
        principal: Principal,
        *,
        tenant: str | None = None,
        conversation_id: str | None = None,
        data: Mapping[str, Any] = NO_DATA,
        takes_away: bool = False,
    ) -> AsyncIterator[None]:
        """Around what a principal does: a line with the outcome `begun` before, and one behind it.

        That says `done`, `failed`, or `unknown` if it may have been done; both have the same `act` in their data.
        `begun` alone says that a process has died in between. `tenant` is the one that it concerns, if it is not the
        principal's own.

        Raises StoreUnavailable if the first line cannot be written: then it is not done. But what `takes_away` a right
        is done all the same, and the line is written later.
        """
        own, name = tenant or principal.tenant or NO_TENANT, uuid.uuid4().hex

        def event(outcome: str, **further: str) -> AuditEvent:
            said = {**data, **further, "act": name}
            return AuditEvent(
                f"act:{name}:{outcome}", kind, now_ms(), principal.id, None, conversation_id, outcome, said
            )

        await self._write(own, event("begun"), may_wait=takes_away)
        try:
            yield
        except BaseException as error:
            is_certain = isinstance(error, Exception) and not isinstance(error, StoreUnavailable)
            reason = str(getattr(error, "code", type(error).__name__))
            await self.note(own, [event("failed" if is_certain else "unknown", reason=reason)])
            raise
        await self.note(own, [event("done")])

    async def record(
        self, kind: str, principal: Principal, data: Mapping[str, Any] = NO_DATA, *, takes_away: bool = False
    ) -> None:
        """One line of what is done now, as for `act`. Raises StoreUnavailable."""
        event = AuditEvent(f"act:{uuid.uuid4().hex}", kind, now_ms(), principal.id, data=data)
        await self._write(principal.tenant or NO_TENANT, event, may_wait=takes_away)

    async def note(self, tenant: str, events: Iterable[AuditEvent]) -> None:
        """Write of what has happened already: now, or once the store is there again."""
        for event in events:
            await self._write(tenant, event, may_wait=True)

    async def flush(self) -> None:
        """Write what waits, as far as that is possible now."""
        while self._waiting:
            tenant, event = self._waiting[0]
            try:
                await self._lines.append(tenant, [event], now_ms())
            except StoreUnavailable:
                return
            if self._waiting and self._waiting[0] == (tenant, event):  # else another call has done it meanwhile
                self._waiting.popleft()

    async def _write(self, tenant: str, event: AuditEvent, *, may_wait: bool) -> None:
        try:
            await self._lines.append(tenant, [event], now_ms())
        except StoreUnavailable as error:
            if not may_wait:
                raise
            # The log has it, should this process end before the store is there again.
            said = {"kind": event.type, "principal": event.principal, "outcome": event.outcome, **event.data}
            log.warning("audit_line_waits", tenant=tenant, cause=str(error), said=said)
            self._waiting.append((tenant, event))
            if len(self._waiting) > MAX_WAITING:
                self._waiting.popleft()

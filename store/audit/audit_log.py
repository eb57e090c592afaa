"""The audit of every tenant: appends to a chain, reads it, and removes what is old enough."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

from store.audit.lines import TRIMMED, AuditEvent, AuditLine, Head, follow
from store.client.client import Client, Reply
from store.client.script import APPEND_AUDIT, Argument
from store.keys import Keys

REMEMBERED_MS: Final = 30 * 86_400_000
"""For how long the same event is recognised when it is written again."""
MAX_BATCH: Final = 200
PAGE: Final = 500
MAX_TRIMMED_AT_ONCE: Final = 10_000
MAX_REMEMBERED: Final = 4096


class AuditLog:
    """One chain for each tenant, in the order in which its lines were written. Every call may raise StoreUnavailable.

    Any number of processes may write to a chain at once.
    """

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._heads: dict[str, Head] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def append(self, tenant: str, events: Sequence[AuditEvent], now: int) -> None:
        """Write those of the events that are not written yet, in this order."""
        turn = self._turns.setdefault(tenant, asyncio.Lock())
        async with turn:
            for start in range(0, len(events), MAX_BATCH):
                await self._append(tenant, events[start : start + MAX_BATCH], now)

    async def tenants(self) -> list[str]:
        """The tenants that have an audit, sorted."""
        key = self._keys.audit_tenants
        found: Reply = await self._client.retry(lambda: self._client.redis.smembers(key))
        return sorted(name.decode() for name in found)

    async def head(self, tenant: str) -> Head:
        """Where the chain ends; its seq is 0 if there is none."""
        key = self._keys.audit(tenant).head
        kept: Reply = await self._client.retry(lambda: self._client.redis.hmget(key, ["seq", "hash", "at"]))
        seq, digest, at = kept
        return Head(tenant) if seq is None else Head(tenant, int(seq), digest.decode(), int(at))

    async def read(self, tenant: str, *, after: int = 0, limit: int = PAGE) -> list[AuditLine]:
        """The lines behind seq `after`, oldest first."""
        key = self._keys.audit(tenant).lines
        return _lines(await self._client.retry(lambda: self._client.redis.xrange(key, f"{after + 1}-0", count=limit)))

    async def read_back(self, tenant: str, *, before: int | None = None, limit: int = PAGE) -> list[AuditLine]:
        """The lines in front of seq `before`, or the last ones; newest first."""
        key, last = self._keys.audit(tenant).lines, "+" if before is None else f"{max(before - 1, 0)}-0"
        return _lines(await self._client.retry(lambda: self._client.redis.xrevrange(key, last, "-", count=limit)))

    async def read_all(self, tenant: str, *, after: int = 0, through: int | None = None) -> AsyncIterator[AuditLine]:
        """All lines behind seq `after`, oldest first, through `through` if it is said; a page in memory at most."""
        while page := await self.read(tenant, after=after):
            for line in page:
                if through is not None and line.seq > through:
                    return
                yield line
            after = page[-1].seq

    async def trim(self, tenant: str, before: int, now: int) -> int:
        """Remove the lines that were written before the time `before` (ms), and tell the seq of the last one; 0: none.

        First a line is written that says so, with the hash of the last one that goes: the chain is whole without them.
        """
        last = await self._last_before(tenant, before)
        if last is None:
            return 0
        said = {"through": last.seq, "hash": last.hash, "before": before}
        await self.append(tenant, [AuditEvent(f"trim:{last.seq}", TRIMMED, now, data=said)], now)
        key = self._keys.audit(tenant).lines
        first = (await self.read(tenant, limit=1))[0].seq
        while first <= last.seq:  # in parts, since a long removal would hold up every other command
            first = min(first + MAX_TRIMMED_AT_ONCE, last.seq + 1)
            trim = partial(self._client.redis.xtrim, key, minid=f"{first}-0", approximate=False)
            await self._client.retry(trim)
        return last.seq

    async def _append(self, tenant: str, events: Sequence[AuditEvent], now: int) -> None:
        if (head := self._heads.get(tenant)) is None:
            # Before its first line, so that no crash leaves a chain that is not listed.
            await self._client.retry(lambda: self._client.redis.sadd(self._keys.audit_tenants, tenant))
            head = await self.head(tenant)
        own = self._keys.audit(tenant)
        events = list({event.id: event for event in events}.values())
        while events:
            end, pairs = head, list[Argument]()
            for event in events:
                line, end = follow(end, event, now)
                pairs += [event.id, line.body]
            arguments: list[Argument] = [head.seq, head.hash, end.seq, end.hash, end.at, REMEMBERED_MS, *pairs]
            run = partial(self._client.run_confirmed, APPEND_AUDIT, [own.lines, own.head, own.known], arguments)
            answer: Reply = await self._client.retry(run)
            if answer[0] == b"written":
                head, events = end, []
            else:
                head = Head(tenant, int(answer[1]), answer[2].decode(), int(answer[3]))
                known = {name.decode() for name in answer[4:]}
                events = [event for event in events if event.id not in known]
        if len(self._heads) >= MAX_REMEMBERED:
            self._heads.clear()
        self._heads[tenant] = head

    async def _last_before(self, tenant: str, before: int) -> AuditLine | None:
        """The last line that was written before this time; found in halves: the times of a chain never go back."""
        first, head = await self.read(tenant, limit=1), await self.head(tenant)
        if not first or _recorded_at(first[0]) >= before:
            return None
        found, low, high = first[0], first[0].seq, head.seq
        while low < high:
            middle = (low + high + 1) // 2
            at = await self.read(tenant, after=middle - 1, limit=1)
            if at and _recorded_at(at[0]) < before:
                found, low = at[0], at[0].seq
            else:
                high = middle - 1
        return found


def _lines(entries: Reply) -> list[AuditLine]:
    return [AuditLine(int(name.partition(b"-")[0]), fields[b"d"]) for name, fields in entries]


def _recorded_at(line: AuditLine) -> int:
    return int(line.fields()["recorded_at"])

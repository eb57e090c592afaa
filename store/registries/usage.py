"""What models have used, in tokens and money: for a conversation in its lifetime, for people and tenants on a day."""

import asyncio
import logging
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from store.client.client import Client, Reply
from store.client.script import RECORD_USAGE, Argument
from store.errors import ConversationNotFound, StoreError
from store.keys import Keys

CONVERSATION = "conversation:"
DAY_LIFETIME_SECONDS: Final = 2 * 86_400
"""How long the usage of a day is kept."""
WRITTEN_SECONDS: Final = 1.0
"""Within which a use is written that no caller waits for."""
TIMER_TOLERANCE_SECONDS: Final = 0.002
"""How early a timer may fire."""
MAX_SUMS: Final = 10_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """Tokens of both directions, and their cost in millionths of a US dollar."""

    tokens: int
    cost: int


@dataclass(slots=True)
class RunningSum:
    """What this process has used in a scope so far; `total` is of all processes, as they were at its last record."""

    writer: str
    tokens: int = 0
    cost: int = 0
    written: UsageTotal = UsageTotal(0, 0)
    sent: UsageTotal = UsageTotal(0, 0)
    total: UsageTotal | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def has_written(self, tokens: int, cost: int) -> bool:
        return self.written.tokens >= tokens and self.written.cost >= cost

    @property
    def is_sent(self) -> bool:
        """Whether all of it is written, or on its way."""
        return (self.sent.tokens, self.sent.cost) == (self.tokens, self.cost) or self.has_written(
            self.tokens, self.cost
        )

    def note_written(self, sums: UsageTotal, total: UsageTotal | None) -> None:
        """`sums` are those of a record that was answered, which may not be the newest one."""
        if not self.has_written(sums.tokens, sums.cost):
            self.written, self.total = sums, total


@dataclass(frozen=True, slots=True)
class OwnUsage:
    """What a process has used for a conversation, to be recorded with an append to its log."""

    writer: str
    sums: UsageTotal


class UsageRecord:
    """Adds up what is used in a scope: `conversation:<id>`, or any other text such as `person:<id>:<day>`.

    A process records the sum that it has used itself, so a record that is repeated counts once, and however many uses
    come while one is under way are one record more.
    """

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._sums: OrderedDict[str, RunningSum] = OrderedDict()
        self._unwritten: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._along: set[str] = set()
        self._writing: set[asyncio.Task[None]] = set()
        self._closed = False
        self._goes_along = client.call_before_sending(self._send_all)

    def spend(self, scopes: Iterable[str], tokens: int, cost: int) -> None:
        """So much more was used; it is written within a second, or as `settle` and `send_along` say."""
        now = asyncio.get_running_loop().time()
        for scope in scopes:
            running = self._running(scope)
            running.tokens += tokens
            running.cost += cost
            self._unwritten.setdefault(scope, now)
        self._arm()

    async def settle(self, scopes: Sequence[str]) -> None:
        """Return when all that was used up to now is written. Raises StoreUnavailable: then it is not lost."""
        await asyncio.gather(*(self._settle(scope) for scope in scopes))

    def settle_soon(self, scopes: Sequence[str]) -> None:
        """Write it beside what the caller does; while the store is away, that is tried again."""
        task = asyncio.get_running_loop().create_task(self._settle_or_wait(scopes))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    def send_along(self, scopes: Sequence[str]) -> bool:
        """Send it in one packet with the next command of this process, which costs less than a round trip of its own.

        So no later change of this process can be in the store, and what was used before it not. False: this store has
        no such packets, and `settle` is the way.
        """
        if self._goes_along:
            self._along.update(scopes)
        return self._goes_along

    @contextmanager
    def taken(self, conversation_id: str) -> Iterator[OwnUsage | None]:
        """What is not written yet of a conversation's own use, which an append to its log in the body writes.

        If the body raises, it is written within a second.
        """
        scope = conversation_scope(conversation_id)
        running = self._sums.get(scope)
        if running is None or running.is_sent:
            yield None
            return
        running.sent = sums = UsageTotal(running.tokens, running.cost)
        try:
            yield OwnUsage(running.writer, sums)
        except BaseException:
            running.sent = running.written
            self._wait_again((scope,))
            raise
        self._note_written(scope, running, sums, None)

    def known_total(self, scope: str) -> UsageTotal | None:
        """The sums as they were when this process last recorded something in the scope."""
        running = self._sums.get(scope)
        return None if running is None else running.total

    async def record(self, scope: str, key: str, *, tokens: int, cost: int, lifetime: int | None) -> UsageTotal:
        """Note how much the writer called `key` has used so far, and return the sums of all writers.

        The scope is deleted `lifetime` seconds after its last record; None for a conversation, whose usage is deleted
        with it. Raises ConversationNotFound, and ValueError for a scope without an end.
        """
        own = self._conversation(scope)
        if (own is None) == (lifetime is None):
            raise ValueError(f"the usage of {scope!r} needs an end: that of its conversation or a lifetime")
        names = self._names(scope)
        arguments: list[Argument] = [key, tokens, cost, "" if lifetime is None else lifetime]
        sums: Reply = await self._client.retry(lambda: self._client.run(RECORD_USAGE, names, arguments))
        if not sums:
            raise ConversationNotFound(own or scope)
        return UsageTotal(*map(int, sums))

    async def total(self, scope: str) -> UsageTotal:
        """The sums of a scope; zero if nothing was ever recorded."""
        key = self._names(scope)[0]
        sums: Reply = await self._client.retry(lambda: self._client.redis.hmget(key, ["tokens", "cost"]))
        tokens, cost = (int(value or 0) for value in sums)
        return UsageTotal(tokens, cost)

    async def aclose(self) -> None:
        """Write what is not written yet, if the store answers."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._unwritten:
            self.settle_soon(tuple(self._unwritten))
        if self._writing:
            await asyncio.wait(self._writing)

    async def _settle_or_wait(self, scopes: Sequence[str]) -> None:
        try:
            await self.settle(scopes)
        except StoreError as error:
            log.warning("usage is not written yet: %s", error)
            self._wait_again(scopes)

    async def _settle(self, scope: str) -> None:
        running = self._sums.get(scope)
        if running is None:
            return
        tokens, cost = running.tokens, running.cost
        self._unwritten.pop(scope, None)
        async with running.lock:
            if running.has_written(tokens, cost):
                return  # with what another caller has written meanwhile
            sums = UsageTotal(running.tokens, running.cost)
            try:
                total = await self.record(
                    scope, running.writer, tokens=sums.tokens, cost=sums.cost, lifetime=self._lifetime(scope)
                )
            except ConversationNotFound:
                total = None  # it has been deleted, and what it used with it
            running.note_written(sums, total)

    def _send_all(self) -> None:
        """Just before a packet leaves."""
        if not self._along:
            return
        scopes, self._along = self._along, set()
        for scope in scopes:
            running = self._sums.get(scope)
            if running is not None and not running.is_sent:
                running.sent = sums = UsageTotal(running.tokens, running.cost)
                lifetime: Argument = self._lifetime(scope) or ""
                arguments: list[Argument] = [running.writer, sums.tokens, sums.cost, lifetime]
                reply = self._client.submit(RECORD_USAGE, self._names(scope), arguments)
                reply.add_done_callback(partial(self._note_reply, scope, running, sums))

    def _note_reply(self, scope: str, running: RunningSum, sums: UsageTotal, reply: asyncio.Future[Reply]) -> None:
        """Whatever kept it from being written, from a lost connection to a script that the server does not know."""
        if reply.cancelled() or reply.exception() is not None:
            running.sent = running.written
            self.settle_soon((scope,))
            return
        found = reply.result()
        self._note_written(scope, running, sums, UsageTotal(*map(int, found)) if found else None)

    def _note_written(self, scope: str, running: RunningSum, sums: UsageTotal, total: UsageTotal | None) -> None:
        running.note_written(sums, total)
        if running.has_written(running.tokens, running.cost):
            self._unwritten.pop(scope, None)

    def _wait_again(self, scopes: Iterable[str]) -> None:
        for scope in scopes:
            self._unwritten[scope] = asyncio.get_running_loop().time()
        self._arm()

    def _arm(self) -> None:
        if self._timer is None and self._unwritten and not self._closed:
            due = next(iter(self._unwritten.values())) + WRITTEN_SECONDS
            self._timer = asyncio.get_running_loop().call_at(due, self._write_late)

    def _write_late(self) -> None:
        """What has waited for so long; nearly all is written by then, together with what it has led to."""
        self._timer = None
        due = asyncio.get_running_loop().time() - WRITTEN_SECONDS + TIMER_TOLERANCE_SECONDS
        late = [scope for scope, since in self._unwritten.items() if since <= due]
        for scope in late:
            del self._unwritten[scope]
        if late:
            self.settle_soon(late)
        self._arm()

    def _running(self, scope: str) -> RunningSum:
        """A sum that was forgotten begins anew, under a name of its own."""
        running = self._sums.get(scope)
        if running is None:
            running = self._sums[scope] = RunningSum(uuid.uuid4().hex)
            if len(self._sums) > MAX_SUMS:
                self._forget_one()
        self._sums.move_to_end(scope)
        return running

    def _forget_one(self) -> None:
        for scope, oldest in self._sums.items():
            if oldest.has_written(oldest.tokens, oldest.cost) and not oldest.lock.locked() and oldest.written.tokens:
                del self._sums[scope]
                return

    def _conversation(self, scope: str) -> str | None:
        return scope.removeprefix(CONVERSATION) if scope.startswith(CONVERSATION) else None

    def _lifetime(self, scope: str) -> int | None:
        return None if scope.startswith(CONVERSATION) else DAY_LIFETIME_SECONDS

    def _names(self, scope: str) -> list[str]:
        """The keys of a record."""
        own = self._conversation(scope)
        if own is None:
            return [self._keys.spent(scope)]
        keys = self._keys.conversation(own)
        return [keys.usage, keys.meta]


def conversation_scope(conversation_id: str) -> str:
    """All that a conversation uses, with the sub-agents that work for it."""
    return f"{CONVERSATION}{conversation_id}"


def person_scope(principal: str, day: str) -> str:
    """What a person uses on a day."""
    return f"person:{principal}:{day}"


def tenant_scope(tenant: str, day: str) -> str:
    """What a tenant's people use on a day."""
    return f"tenant:{tenant}:{day}"


def day_of(now: int) -> str:
    """The day in UTC, as in 2026-11-30; `now` is in ms since 1970."""
    return _time(now).date().isoformat()


def end_of_day(now: int) -> int:
    """When the day of `now` is over; both in ms since 1970."""
    midnight = _time(now).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return round(midnight.timestamp() * 1000)


def _time(now: int) -> datetime:
    return datetime.fromtimestamp(now / 1000, UTC)

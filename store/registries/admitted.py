"""Who has how much under way at once: turns, which end with their log, and open streams, which have to be renewed."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from store.client.client import Client, Reply
from store.client.script import ADMIT, Argument
from store.keys import Keys
from store.registries.limits import tenant_of_subject

LEASE_MS: Final = 30_000
"""How long an open stream counts after its replica has last said that it is open."""
BEGINNING_MS: Final = 30_000
"""How long a turn counts that is not in the log: it is being accepted, or its host has died before that."""
WAITING_MS: Final = 60_000
"""A turn that is due later than that waits for people, and is not under way."""
TURNS_LIFETIME_MS: Final = 30 * 86_400_000
MAX_TRIES: Final = 3


class Bound(NamedTuple):
    """How many a subject, a principal or a tenant, may have at once."""

    subject: str
    most: int


class Admitted:
    """All bounds of a call are of one tenant. Every call may raise StoreUnavailable.

    No count is kept that could be left behind: of turns the index of unfinished ones decides, and a stream whose
    replica has died counts no more when its lease is over.
    """

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def begin_turn(self, conversation_id: str, bounds: Sequence[Bound], now: int) -> Bound | None:
        """Count a turn that is about to begin; the bound that keeps it from beginning, if one does."""
        waiting, reached = {bound.subject: 0 for bound in bounds}, bounds[0]
        for _ in range(MAX_TRIES):
            full = await self._admit(
                [self._keys.turns(tenant_of_subject(bound.subject), bound.subject) for bound in bounds],
                [bound.most + waiting[bound.subject] for bound in bounds],
                conversation_id,
                now,
                "",
                TURNS_LIFETIME_MS,
            )
            if full is None:
                return None
            reached = bounds[full]
            under_way, rest = await self._look_at_turns(reached.subject, now)
            if under_way >= reached.most:
                break
            waiting[reached.subject] = rest
        return reached

    async def note_turn(self, conversation_id: str, subjects: Sequence[str], now: int) -> None:
        """Count a turn that has begun, whether there is room for it or not."""
        await self.begin_turn(conversation_id, [Bound(subject, 2**31) for subject in subjects], now)

    async def end_turn(self, conversation_id: str, subjects: Sequence[str]) -> None:
        """It is over."""
        for subject in subjects:
            key = self._keys.turns(tenant_of_subject(subject), subject)
            await self._client.retry(lambda key=key: self._client.redis.zrem(key, conversation_id))  # type: ignore[misc]

    async def turns(self, subject: str, now: int) -> int:
        """How many turns of a subject are under way."""
        return (await self._look_at_turns(subject, now))[0]

    async def open_stream(self, name: str, bounds: Sequence[Bound], now: int) -> Bound | None:
        """Count a stream until its lease ends; the bound that keeps it from being opened, if one does."""
        keys = [self._keys.streams(tenant_of_subject(bound.subject), bound.subject) for bound in bounds]
        full = await self._admit(keys, [bound.most for bound in bounds], name, now + LEASE_MS, str(now), LEASE_MS)
        return None if full is None else bounds[full]

    async def renew_streams(self, streams: Sequence[tuple[str, Sequence[str]]], now: int) -> None:
        """Say of these, each with the subjects it counts for, that they are open."""

        async def send() -> Reply:
            pipeline = self._client.pipeline()
            for name, subjects in streams:
                for subject in subjects:
                    key = self._keys.streams(tenant_of_subject(subject), subject)
                    pipeline.zadd(key, {name: now + LEASE_MS})
                    pipeline.pexpire(key, LEASE_MS)
            return await pipeline.execute()

        await self._client.retry(send)

    async def close_stream(self, name: str, subjects: Sequence[str]) -> None:
        """It has ended."""
        for subject in subjects:
            key = self._keys.streams(tenant_of_subject(subject), subject)
            await self._client.retry(lambda key=key: self._client.redis.zrem(key, name))  # type: ignore[misc]

    async def streams(self, subject: str, now: int) -> int:
        """How many streams of a subject are open."""
        key = self._keys.streams(tenant_of_subject(subject), subject)
        return int(await self._client.retry(lambda: self._client.redis.zcount(key, now, "+inf")))

    async def _admit(
        self, keys: Sequence[str], most: Sequence[int], member: str, score: int, now: str, lifetime: int
    ) -> int | None:
        """The position of the first set without room, or None."""
        arguments: list[Argument] = [member, score, now, lifetime, *most]
        full = await self._client.retry(lambda: self._client.run(ADMIT, keys, arguments))
        return int(full) - 1 if full else None

    async def _look_at_turns(self, subject: str, now: int) -> tuple[int, int]:
        """How many turns are under way, and how many wait for people; what is over by the log is forgotten."""
        key = self._keys.turns(tenant_of_subject(subject), subject)
        entries: Reply = await self._client.retry(lambda: self._client.redis.zrange(key, 0, -1, withscores=True))
        begun = {member.decode(): at for member, at in entries}

        async def look() -> Reply:
            pipeline = self._client.pipeline()
            for conversation_id in begun:
                pipeline.zscore(self._keys.unfinished(self._keys.partition(conversation_id)), conversation_id)
            return await pipeline.execute() if begun else ()

        due = dict(zip(begun, await self._client.retry(look), strict=True))
        over = [name for name, at in due.items() if at is None and begun[name] < now - BEGINNING_MS]
        if over:
            await self._client.retry(lambda: self._client.redis.zrem(key, *over))
        waiting = sum(at is not None and at > now + WAITING_MS for at in due.values())
        return len(begun) - len(over) - waiting, waiting

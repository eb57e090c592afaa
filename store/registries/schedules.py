"""The record of every schedule: what runs and when, how far it is, and the runs that are over; and which are due."""

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from store.client.client import Client, Reply
from store.client.lease import Lease
from store.client.script import COMMIT_SCHEDULE, DELETE_SCHEDULE, LIST_SCHEDULE, Argument
from store.feed.entry import Notice, encode_notices
from store.keys import PARTITIONS, Keys
from store.principals import tenant_name_of
from store.registries.newest import newest

MAX_ENDED = 200
"""So many runs that are over are kept of each schedule."""
ORPHAN_MS = 60_000
"""An entry of a list that has had no record for so long was left by a process that died before it made the record."""


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """Times are milliseconds since 1970. `definition` and `state` are JSON, opaque here.

    Each change raises `revision` by one; 0: it is yet to be made.
    """

    id: str
    owner: str
    definition: bytes
    state: bytes
    created_at: int
    updated_at: int = 0
    revision: int = 0


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that is over; `data` is JSON."""

    id: str
    ended_at: int
    data: bytes


class Schedules:
    """Keeps the records, each with its place in the order of due times. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def enter(
        self, schedule: ScheduleRecord, most: int, *, speaks_to: str | None = None, no_more_to: str | None = None
    ) -> bool:
        """List it before it is made; False: its owner has as many as `most` already.

        `speaks_to` is the conversation to which its runs are messages, `no_more_to` one to which they were.
        """
        return bool(await self._list(schedule, str(schedule.created_at), most, speaks_to, no_more_to))

    async def commit(
        self,
        schedule: ScheduleRecord,
        now: int,
        *,
        look_at: int | None,
        ended: Sequence[EndedRun] = (),
        notices: Sequence[Notice] = (),
    ) -> bool:
        """Write definition and state, if its revision is still the one in `schedule`, and tell the feed.

        False: something else was decided meanwhile, or by this very call, if its answer was lost; read it anew.
        """
        arguments: list[Argument] = [
            schedule.id,
            str(schedule.revision),
            now,
            "" if look_at is None else look_at,
            MAX_ENDED,
            encode_notices(notices),
            schedule.owner,
            len(ended),
        ]
        for run in ended:
            arguments += [run.id, run.ended_at, run.data]
        arguments += ["definition", schedule.definition, "state", schedule.state, "created_at", schedule.created_at]
        names = self._keys.schedule(schedule.id).all
        return bool(await self._client.retry(lambda: self._client.run_confirmed(COMMIT_SCHEDULE, names, arguments)))

    async def get(self, schedule_id: str) -> ScheduleRecord | None:
        """The schedule, if there is one."""
        return next(iter(await self.get_many([schedule_id])), None)

    async def get_many(self, schedule_ids: Sequence[str]) -> builtins.list[ScheduleRecord]:
        """The schedules of these ids that are there, in this order."""
        if not schedule_ids:
            return []

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for schedule_id in schedule_ids:
                pipeline.hgetall(self._keys.schedule(schedule_id).record)
            return await pipeline.execute()

        found = zip(schedule_ids, await self._client.retry(ask_all), strict=True)
        return [_decode(schedule_id, fields) for schedule_id, fields in found if fields]

    async def delete(self, schedule: ScheduleRecord, now: int, notices: Sequence[Notice], spoke_to: str | None) -> bool:
        """Delete it with its runs; False: it was gone. Once more: what a crash left in the lists goes."""
        names = self._keys.schedule(schedule.id).all
        arguments: list[Argument] = [schedule.id, now, encode_notices(notices)]
        deleted = await self._client.retry(lambda: self._client.run_confirmed(DELETE_SCHEDULE, names, arguments))
        await self._list(schedule, "", 0, None, spoke_to)
        return bool(deleted)

    async def look_later(self, schedule_id: str, at: int) -> None:
        """Leave one alone until then (ms)."""
        due = self._keys.schedule(schedule_id).due
        await self._client.retry(lambda: self._client.redis.zadd(due, {schedule_id: at}, xx=True))

    async def forget_due(self, schedule_id: str) -> None:
        """Look no more at a schedule that is gone."""
        due = self._keys.schedule(schedule_id).due
        await self._client.retry(lambda: self._client.redis.zrem(due, schedule_id))

    async def look_now(self, schedule_ids: Sequence[str], now: int) -> None:
        """Have these looked at now, if they would be only later."""

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for schedule_id in schedule_ids:
                pipeline.zadd(self._keys.schedule(schedule_id).due, {schedule_id: now}, lt=True)
            return await pipeline.execute()

        if schedule_ids:
            await self._client.retry(ask_all)

    async def due(self, now: int, ahead: int, limit: int) -> tuple[builtins.list[str], int | None]:
        """Ids of at most `limit` schedules that are to be looked at by now (ms), the longest due first.

        And when the next one is, if that is within `ahead` ms.
        """

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for partition in range(PARTITIONS):
                key = self._keys.schedules_due(partition)
                pipeline.zrangebyscore(key, "-inf", now + ahead, start=0, num=limit, withscores=True)
            return await pipeline.execute()

        answers = await self._client.retry(ask_all)
        found = sorted((int(score), member) for answer in answers for member, score in answer)
        later = next((score for score, _ in found if score > now), None)
        return [member.decode() for score, member in found if score <= now][:limit], later

    async def list(
        self,
        owner: str | None,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        tenant: str | None = None,
        now: int,
    ) -> tuple[builtins.list[ScheduleRecord], tuple[int, str] | None]:
        """A page of an owner's schedules, else of a tenant's, else of all; the newest first.

        And where the next page begins.
        """
        key = self._keys.schedules if tenant is None else self._keys.schedules_of_tenant(tenant)
        if owner is not None:
            key = self._keys.schedules_of(owner)
        page, following = await newest(self._client, key, limit, before)
        found = await self.get_many([schedule_id for _, schedule_id in page])
        known = {schedule.id for schedule in found}
        orphans = [one for at, one in page if one not in known and at < now - ORPHAN_MS]
        if orphans:
            await self._client.retry(lambda: self._client.redis.zrem(key, *orphans))
        return found, following

    async def ended_runs(
        self, schedule_id: str, *, limit: int, before: tuple[int, str] | None = None
    ) -> tuple[builtins.list[EndedRun], tuple[int, str] | None]:
        """A page of the runs that are over, the newest first; and where the next page begins."""
        keys = self._keys.schedule(schedule_id)
        page, following = await newest(self._client, keys.ended, limit, before)
        if not page:
            return [], None
        values: Reply = await self._client.retry(
            lambda: self._client.redis.hmget(keys.runs, [run_id for _, run_id in page])
        )
        runs = [EndedRun(run_id, at, data) for (at, run_id), data in zip(page, values, strict=True) if data]
        return runs, following

    async def ended_run(self, schedule_id: str, run_id: str) -> bytes | None:
        """A run that is over, as JSON."""
        key = self._keys.schedule(schedule_id).runs
        found: Reply = await self._client.retry(lambda: self._client.redis.hget(key, run_id))
        return None if found is None else bytes(found)

    async def speaking_to(self, conversation_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """For each of these conversations to which schedules speak, the ids of the schedules."""
        if not conversation_ids:
            return {}
        key = self._keys.standing
        found: Reply = await self._client.retry(lambda: self._client.redis.hmget(key, list(conversation_ids)))
        pairs = zip(conversation_ids, found, strict=True)
        return {conversation_id: value.decode().split() for conversation_id, value in pairs if value}

    def lease(self) -> Lease:
        """Who has it looks for what is due."""
        return Lease(self._client, self._keys.scheduler)

    async def _list(
        self, schedule: ScheduleRecord, made: str, most: int, speaks_to: str | None, no_more_to: str | None
    ) -> Reply:
        keys = self._keys
        names = [
            keys.schedules_of(schedule.owner),
            keys.schedules_of_tenant(tenant_name_of(schedule.owner)),
            keys.schedules,
            keys.standing,
        ]
        arguments: list[Argument] = [schedule.id, made, most, speaks_to or "", no_more_to or ""]
        return await self._client.retry(lambda: self._client.run_confirmed(LIST_SCHEDULE, names, arguments))


def _decode(schedule_id: str, fields: Mapping[bytes, bytes]) -> ScheduleRecord:
    return ScheduleRecord(
        id=schedule_id,
        owner=fields[b"owner"].decode(),
        definition=fields[b"definition"],
        state=fields[b"state"],
        created_at=int(fields[b"created_at"]),
        updated_at=int(fields[b"updated_at"]),
        revision=int(fields[b"revision"]),
    )

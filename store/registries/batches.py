"""The record of every batch, and which of its rows are finished: a bit each, and little more for one that failed."""

import builtins
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from store.client.client import Client, Reply
from store.client.script import CHANGE_BATCH, NOTE_BATCH_ROWS, REOPEN_BATCH_ROWS, Argument, pairs
from store.keys import Keys
from store.live.subscriber import LiveSubscriber
from store.live.subscription import Subscription
from store.principals import tenant_name_of
from store.registries.newest import newest_kept

if TYPE_CHECKING:
    from store.key_groups import BatchKeys

BatchState = Literal["queued", "running", "waiting", "paused", "done", "cancelled", "failed"]
OVER: tuple[BatchState, ...] = ("done", "cancelled", "failed")
RowOutcome = Literal["succeeded", "failed", "again", "waiting", "going"]

MAX_NOTED = 500
"""Rows that one script notes."""


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """Times are milliseconds since 1970; `definition` is JSON, `cost` in millionths of a US dollar.

    `job` is the job that drives it, or did so last. `wanted` is what the driver is asked for: `pause` or `cancel`, or
    nothing. `total` is how many rows there are, None until they were counted; `succeeded` and `failed` are how many are
    finished. `strikes` counts the attempts in a row that ended without a finished row. `rate` is in rows a
    thousand seconds; `written` says that the results are there.
    """

    id: str
    owner: str
    definition: bytes
    state: BatchState
    created_at: int
    job: str = ""
    wanted: str = ""
    error: str = ""
    written: str = ""
    total: int | None = None
    succeeded: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0
    strikes: int = 0
    rate: int = 0
    started_at: int | None = None
    finished_at: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it unasked."""
        return self.state in OVER

    @property
    def finished(self) -> int:
        """How many rows are finished, in success or not."""
        return self.succeeded + self.failed


class RowNote(NamedTuple):
    """How far a row is, in which round; `reason` says why it failed."""

    row: int
    round: int
    outcome: RowOutcome
    reason: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0


class RowStanding(NamedTuple):
    """How far one row is: its newest round, why it has failed, and whether it is finished, or waits for people."""

    round: int
    failure: str | None
    is_finished: bool
    is_waiting: bool


class RowStates(NamedTuple):
    """Of some rows: which are finished, which wait for people, and which are to be begun anew, with why."""

    finished: frozenset[int]
    waiting: frozenset[int]
    again: Mapping[int, str]


NUMBERS = frozenset(
    [
        "created_at",
        "total",
        "succeeded",
        "failed",
        "input_tokens",
        "output_tokens",
        "cost",
        "strikes",
        "rate",
        "started_at",
        "finished_at",
    ]
)


class Batches:
    """Keeps the records. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys, subscriber: LiveSubscriber) -> None:
        self._client = client
        self._keys = keys
        self._subscriber = subscriber

    async def add(self, batch: BatchRecord) -> BatchRecord:
        """Keep a new batch; the one that is there, if its id was added before."""
        await self.note_open(batch.id, batch.created_at)
        fields: dict[str, str | bytes | int] = {
            "owner": batch.owner,
            "definition": batch.definition,
            "state": batch.state,
            "created_at": batch.created_at,
            "job": batch.job,
        }
        kept = await self._change(batch.id, ("",), fields)
        assert kept is not None
        for name in (self._keys.batches, *self._lists_of(batch.owner)):
            await self._zadd(name, batch.id, kept.created_at)
        return kept

    async def get(self, batch_id: str) -> BatchRecord | None:
        """The batch, if it is still kept."""
        name = self._keys.batch(batch_id).record
        fields: Reply = await self._client.retry(lambda: self._client.redis.hgetall(name))
        return _decode(batch_id, fields) if fields else None

    async def change(
        self, batch_id: str, states: Sequence[BatchState], fields: Mapping[str, str | bytes | int], *, job: str = ""
    ) -> BatchRecord | None:
        """Set fields of a batch that is in one of these states, and wake its driver; None if it is in another.

        With `job`, None also if another one drives it.
        """
        return await self._change(batch_id, states, fields, job)

    async def note_open(self, batch_id: str, at: int) -> None:
        """Have it among the open ones, begun at that time (ms): before it is begun."""
        await self._zadd(self._keys.open_batches, batch_id, at)

    async def open_batches(self) -> builtins.list[tuple[str, int]]:
        """The ids of the batches that are not over, or not known to be, and when they were last begun (ms)."""
        key = self._keys.open_batches
        found: Reply = await self._client.retry(lambda: self._client.redis.zrange(key, 0, -1, withscores=True))
        return [(batch_id.decode(), int(at)) for batch_id, at in found]

    async def forget_open(self, batch_id: str) -> None:
        """It is over."""
        await self._client.retry(lambda: self._client.redis.zrem(self._keys.open_batches, batch_id))

    def listen(self, batch_id: str) -> AbstractAsyncContextManager[Subscription]:
        """Hear that rows were noted, or the record was changed; as `LiveSubscriber.subscribe`, with its gaps."""
        return self._subscriber.subscribe_to_batch(batch_id)

    async def note_rows(self, batch_id: str, notes: Sequence[RowNote]) -> int:
        """Note how far rows are; how many of that was news. An older round, or a finished row, is none."""
        keys = self._keys.batch(batch_id)
        names = [keys.record, keys.finished, keys.failed, keys.waiting, keys.rounds, keys.again]
        news = 0
        for start in range(0, len(notes), MAX_NOTED):
            arguments: list[Argument] = [keys.channel]
            for note in notes[start : start + MAX_NOTED]:
                arguments += note
            news += int(
                await self._client.retry(partial(self._client.run_confirmed, NOTE_BATCH_ROWS, names, arguments))
            )
        return news

    async def reopen_rows(self, batch_id: str, rows: Sequence[int]) -> dict[int, int]:
        """Have these rows begun anew if they failed, or are to be; their new rounds."""
        keys = self._keys.batch(batch_id)
        names = [keys.record, keys.finished, keys.failed, keys.rounds, keys.again]
        found: dict[int, int] = {}
        for start in range(0, len(rows), MAX_NOTED):
            some: list[Argument] = list(rows[start : start + MAX_NOTED])
            flat = await self._client.retry(partial(self._client.run_confirmed, REOPEN_BATCH_ROWS, names, some))
            found.update(_numbers(flat))
        return found

    async def finished(self, batch_id: str) -> bytes:
        """A bit for each finished row, the first bit of the first byte for row 0, which there is not."""
        name = self._keys.batch(batch_id).finished
        found: Reply = await self._client.retry(lambda: self._client.redis.get(name))
        return found or b""

    async def rounds(self, batch_id: str) -> dict[int, int]:
        """The rounds of the rows that were begun anew."""
        return {row: int(value) for row, value in (await self._hash(self._keys.batch(batch_id).rounds)).items()}

    async def failures(self, batch_id: str) -> dict[int, str]:
        """The rows that have failed, and why."""
        return {row: value.decode() for row, value in (await self._hash(self._keys.batch(batch_id).failed)).items()}

    async def waiting(self, batch_id: str) -> frozenset[int]:
        """The rows that wait for people."""
        name = self._keys.batch(batch_id).waiting
        return frozenset(map(int, await self._client.retry(lambda: self._client.redis.smembers(name))))

    async def look(self, batch_id: str, rows: Sequence[int]) -> RowStates:
        """How far these rows are."""
        keys = self._keys.batch(batch_id)

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for row in rows:
                pipeline.getbit(keys.finished, row)
            pipeline.smembers(keys.waiting)
            pipeline.hgetall(keys.again)
            return await pipeline.execute()

        *bits, waiting, again = await self._client.retry(ask_all)
        return RowStates(
            frozenset(row for row, bit in zip(rows, bits, strict=True) if bit),
            frozenset(map(int, waiting)),
            {int(row): reason.decode() for row, reason in again.items()},
        )

    async def row(self, batch_id: str, row: int) -> RowStanding:
        """How far that row is; one that there is not has never begun."""
        keys = self._keys.batch(batch_id)

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            pipeline.hget(keys.rounds, str(row))
            pipeline.hget(keys.failed, str(row))
            pipeline.getbit(keys.finished, row)
            pipeline.sismember(keys.waiting, str(row))
            return await pipeline.execute()

        number, failure, is_finished, is_waiting = await self._client.retry(ask_all)
        return RowStanding(
            int(number or 0), None if failure is None else failure.decode(), bool(is_finished), bool(is_waiting)
        )

    async def note_provider_batch(self, batch_id: str, chunk: str, value: str) -> None:
        """Remember what is known of a chunk that was given to the provider's own batches."""
        name = self._keys.batch(batch_id).provider
        await self._client.retry(lambda: self._client.redis.hset(name, chunk, value))

    async def provider_batches(self, batch_id: str) -> dict[str, str]:
        """What is known of each chunk."""
        name = self._keys.batch(batch_id).provider
        found: Reply = await self._client.retry(lambda: self._client.redis.hgetall(name))
        return {chunk.decode(): value.decode() for chunk, value in found.items()}

    async def keep_for(self, batch_id: str, milliseconds: int) -> None:
        """Forget all of the batch after so long."""
        for name in self._keys.batch(batch_id).all():
            await self._client.retry(partial(self._client.redis.pexpire, name, milliseconds))

    async def persist(self, batch_id: str) -> None:
        """Keep it for as long as it is not over."""
        for name in self._keys.batch(batch_id).all():
            await self._client.retry(partial(self._client.redis.persist, name))

    async def remove(self, batch_id: str, owner: str) -> None:
        """Forget it now."""
        for name in self._keys.batch(batch_id).all():
            await self._client.retry(partial(self._client.redis.delete, name))
        for name in (self._keys.batches, self._keys.open_batches, *self._lists_of(owner)):
            await self._client.retry(partial(self._client.redis.zrem, name, batch_id))

    async def list(
        self, owner: str | None, *, tenant: str | None, limit: int, before: tuple[int, str] | None = None
    ) -> tuple[list[BatchRecord], tuple[int, str] | None]:
        """A page of an owner's batches, else of a tenant's, else of all; newest first, and where the next begins."""
        key = self._keys.batches if tenant is None else self._keys.batches_of_tenant(tenant)
        if owner is not None:
            key = self._keys.batches_of(owner)
        return await newest_kept(self._client, key, limit, before, self.get)

    def _lists_of(self, owner: str) -> tuple[str, str]:
        return self._keys.batches_of(owner), self._keys.batches_of_tenant(tenant_name_of(owner))

    async def _zadd(self, name: str, batch_id: str, at: int) -> None:
        await self._client.retry(lambda: self._client.redis.zadd(name, {batch_id: at}))

    async def _hash(self, name: str) -> dict[int, bytes]:
        found: Reply = await self._client.retry(lambda: self._client.redis.hgetall(name))
        return {int(row): value for row, value in found.items()}

    async def _change(
        self, batch_id: str, states: Sequence[str], fields: Mapping[str, str | bytes | int], job: str = ""
    ) -> BatchRecord | None:
        keys: BatchKeys = self._keys.batch(batch_id)
        arguments: list[Argument] = [f",{','.join(states)},", keys.channel, job]
        for name, value in fields.items():
            arguments += [name, value]
        flat = await self._client.retry(lambda: self._client.run_confirmed(CHANGE_BATCH, [keys.record], arguments))
        return _decode(batch_id, pairs(flat)) if flat else None


def has_bit(bits: bytes, row: int) -> bool:
    """Whether the bit of a row is set in what `finished` has returned."""
    return row >> 3 < len(bits) and bool(bits[row >> 3] & (0x80 >> (row & 7)))


def _decode(batch_id: str, fields: Mapping[bytes, bytes]) -> BatchRecord:
    known: dict[str, Any] = {}
    for key, value in fields.items():
        name = key.decode()
        known[name] = int(value) if name in NUMBERS else value if name == "definition" else value.decode()
    return BatchRecord(id=batch_id, **{name: known[name] for name in BatchRecord.__slots__ if name in known})


def _numbers(flat: Sequence[bytes]) -> dict[int, int]:
    return {int(row): int(value) for row, value in zip(flat[::2], flat[1::2], strict=True)}

"""What holds for the whole cluster, such as the length of a queue: one replica of the ingress at a time looks at it."""

import secrets
from collections import Counter
from collections.abc import Sequence
from typing import Final

from agents.clock import now_ms
from deployments.metrics import table
from deployments.metrics.recorder import Labels, Recorder
from deployments.metrics.relay import RelayReceiver
from deployments.work.job_type import PRIORITIES
from store import Store
from store.registries.batches import Batches, BatchRecord

LEASE_MS: Final = 20_000
"""How long the replica that looks may be silent before another one does."""
LATE_MS, MAX_LATE = 60_000, 1000
"""A schedule that should have been looked at so long ago is late; more of them than that are not told apart."""
MAX_BATCHES: Final = 50
"""So many of the newest batches are looked at, and each older one that was open then."""


class ClusterMetrics:
    """Of one replica; it does nothing but ask for the lease while another one has it."""

    def __init__(self, recorder: Recorder, store: Store, cluster: str) -> None:
        self._recorder = recorder
        self._store = store
        self._cluster = cluster
        self._lease = store.relayed_metrics.lease()
        self._holder = secrets.token_hex(8)
        self._receiver = RelayReceiver(recorder, store.relayed_metrics)
        self._batches = BatchCounts(recorder, store.batches)

    async def look(self) -> None:
        """Say how it is now, if this replica has the lease. Raises StoreUnavailable."""
        if not await self._lease.hold(self._holder, LEASE_MS):
            self._receiver.forget()
            self._batches.forget()
            for metric in SAID:
                self._recorder.set(metric, {})
            return
        await self._receiver.receive()
        self._recorder.set(table.CONVERSATIONS, self._receiver.states())
        await self._look_at_feed()
        await self._look_at_queues()
        await self._batches.look()
        late, _ = await self._store.schedules.due(now_ms() - LATE_MS, 0, MAX_LATE)
        self._recorder.set(table.SCHEDULES_LATE, {(): len(late)})

    async def _look_at_feed(self) -> None:
        now, states = now_ms(), await self._store.feed.states()
        self._recorder.set(table.FEED_LAG, {(state.name,): state.lag for state in states})
        self._recorder.set(
            table.FEED_LAG_SECONDS,
            {(state.name,): 0 if state.oldest_at is None else (now - state.oldest_at) / 1000 for state in states},
        )

    async def _look_at_queues(self) -> None:
        store = self._store
        lengths: dict[Labels, float] = {
            (f"jobs_{priority}",): length
            for priority, length in (await store.jobs.backlog(PRIORITIES, now_ms())).items()
        }
        lengths["starts",] = (await store.starts.demand(self._cluster)).in_line
        lengths["unfinished_turns",] = await store.registry.count_unfinished()
        self._recorder.set(table.QUEUE_LENGTH, lengths)


class BatchCounts:
    """What has come of rows since the last look, from the records of the batches that are open or new."""

    def __init__(self, recorder: Recorder, batches: Batches) -> None:
        self._recorder = recorder
        self._batches = batches
        recorder.begin(table.BATCH_ROWS)
        self.forget()

    def forget(self) -> None:
        """Another process has looked meanwhile."""
        self._since = now_ms()
        self._known: dict[str, BatchRecord] = {}

    async def look(self) -> None:
        """Count what is new, and the batches that are not over."""
        newest, _ = await self._batches.list(None, tenant=None, limit=MAX_BATCHES)
        found = {batch.id: batch for batch in newest}
        for batch_id in {batch.id for batch in self._known.values() if not batch.is_over} - found.keys():
            if (batch := await self._batches.get(batch_id)) is not None:
                found[batch_id] = batch
        for batch in found.values():
            self._count_rows(batch, self._known.get(batch.id))
        self._known = found
        states = dict.fromkeys(table.BATCH_STATE.values or (), 0)
        states.update(Counter(batch.state for batch in found.values() if not batch.is_over))
        self._recorder.set(table.BATCHES, {(state,): count for state, count in states.items()})

    def _count_rows(self, batch: BatchRecord, before: BatchRecord | None) -> None:
        if before is None and batch.created_at < self._since:
            return  # what was there before belongs to the process that has looked then
        for outcome in ("succeeded", "failed"):
            more = getattr(batch, outcome) - (getattr(before, outcome) if before is not None else 0)
            if more > 0:
                self._recorder.count(table.BATCH_ROWS, outcome, by=more)


SAID: Sequence[table.Metric] = (
    table.CONVERSATIONS,
    table.FEED_LAG,
    table.FEED_LAG_SECONDS,
    table.QUEUE_LENGTH,
    table.BATCHES,
    table.SCHEDULES_LATE,
)
"""What a replica without the lease does not say."""

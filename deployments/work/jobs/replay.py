"""The job `replay`: hands the conversations of a replay out to Ray tasks, some at a time, until all have results."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import ray
from pydantic import BaseModel

from deployments.replay.run_some import replay_some
from deployments.replay.totals import add_up
from deployments.work import JobContext, job
from deployments.work.errors import JobFailed
from store import Store
from store.registries.replays import ReplayRecord

TOGETHER: Final = 20
"""Conversations that one Ray task replays: its process takes seconds to start."""
TASK: Final[Mapping[str, Any]] = {"num_cpus": 0, "scheduling_strategy": "SPREAD"}
"""It waits for models nearly all the time; one at a time runs for each node."""
DAY_SECONDS: Final = 86_400.0


class ReplayJob(BaseModel):
    """Which replay; all that is asked is in its record."""

    replay: str


class ReplayTotals(BaseModel):
    """What the results add up to, see `deployments.replay.totals`."""

    totals: dict[str, Any]


@job(timeout=DAY_SECONDS, retries=5, priority="low")
async def replay(context: JobContext, asked: ReplayJob) -> ReplayTotals:
    """Taken up again it goes on with the conversations that have no results yet."""
    store: Store = context.services.store
    record = await store.replays.get(asked.replay)
    if record is None:
        raise JobFailed("its replay is not kept any more")
    if record.job != context.job_id:  # one that was retried as a job
        await store.replays.set_job(record.id, context.job_id)
    await run_replay(context, store, record, places=_count_nodes())
    return ReplayTotals(totals=(await add_up(store, record)).as_json())


async def run_replay(context: JobContext, store: Store, record: ReplayRecord, *, places: int) -> None:
    """Return when all conversations have results. Raises JobFailed, and what a task raises, such as TaskLost."""
    total = len(record.conversations)
    done = await store.replays.done(record.id)
    left = [index for index in range(total) if index not in done]
    finished = total - len(left)
    await context.report(finished, total, "conversations")
    room = asyncio.Semaphore(places)

    async def run(indexes: Sequence[int]) -> None:
        nonlocal finished
        async with room:
            arguments = {"replay_id": record.id, "indexes": list(indexes)}
            await context.tasks.run(replay_some, arguments, TASK, lambda _: None)
            finished += len(indexes)
            await context.report(finished, total, "conversations")

    parts = (left[begin : begin + TOGETHER] for begin in range(0, len(left), TOGETHER))
    running = [asyncio.create_task(run(part)) for part in parts]
    try:
        await asyncio.gather(*running)
    finally:  # the first failure ends the attempt; what the others have finished is kept
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _count_nodes() -> int:
    """The nodes of the cluster, 1 where there is none."""
    if not ray.is_initialized():
        return 1
    nodes: list[Mapping[str, bool]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray has no type for it
    return max(1, sum(node["Alive"] for node in nodes))

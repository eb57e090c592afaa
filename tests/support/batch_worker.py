"""A worker with conversations of its own, in a process: `python -m tests.support.batch_worker REDIS PREFIX DIR`.

Its agent `clerk` writes a line for each row in a ledger outside, under the id of the tool call: an effect that would be
seen if it happened twice.
"""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

from agents.agent import Agent, Catalog
from agents.clock import now_ms
from agents.models import ScriptedModel
from agents.models.protocol import ModelRequest
from agents.models.scripted.steps import Call, Step
from agents.tools import tool
from agents.tools.remote import LocalTasks
from agents.tools.tool import ToolContext
from deployments.batches import driver
from deployments.batches.client import BatchClient
from deployments.feed import engine
from deployments.feed.consumers.batches import BatchRows
from deployments.feed.engine import FeedEngine
from deployments.process.store import connect_store
from deployments.settings import Settings
from deployments.work import attempt, worker
from deployments.work.attempt import Attempts
from deployments.work.client import JobClient
from deployments.work.job_modules import import_jobs
from deployments.work.queues import Queues
from deployments.work.worker import JobWorker, WorkServices
from store import Store
from tests.support.batches import Door, has_result, said

LOST_MS = 1500
"""After so long a turn that is unfinished counts as one whose process has died."""


def clerks(ledger: Path, pause: float) -> Catalog:
    """The agent `clerk`: a call of a tool, then an answer."""

    @tool
    async def write(context: ToolContext, line: str) -> str:
        """Write a line in the ledger, once for each call."""
        await asyncio.sleep(pause)
        mark = ledger / f"{context.conversation_id}.{context.tool_call_id}"
        try:
            with mark.open("x") as file:
                file.write(line)
        except FileExistsError:
            return "written before"
        return "written"

    def clerk(request: ModelRequest) -> Step:
        if not has_result(request):
            return Step(calls=[Call("write", {"line": said(request)})])
        return Step(f"done {said(request)}")

    return Catalog({"clerk": Agent(name="clerk", model=ScriptedModel(clerk), tools=[write])}, default="clerk")


async def work(settings: Settings, ledger: Path) -> None:
    """Until the input ends, or it is killed."""
    import_jobs(settings)
    catalog = clerks(ledger, 0.01)
    store, queues, own = connect_store(settings), Queues(settings), Queues(settings)
    jobs, door = JobClient(store, queues), Door(store, catalog)
    services = WorkServices(settings, catalog, store, door, jobs)  # type: ignore[arg-type]
    job_worker = JobWorker(own, Attempts(store, services, LocalTasks()), jobs)
    feed = FeedEngine(
        store, [BatchRows(store, BatchClient(settings, store, catalog, jobs))], group_days=7, max_entries=100_000
    )
    await feed.register()
    await job_worker.start()
    await asyncio.gather(feed.run(), _recover(store, door), _end_with_input())


async def _end_with_input() -> None:
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


async def _recover(store: Store, door: Door) -> None:
    """What the recovery sweep does, without a cluster: unfinished turns of processes that died go on here."""
    while True:
        for conversation_id in await store.registry.unfinished(now_ms() - LOST_MS, 1000):
            await door.reach(conversation_id)
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    worker.LOST_AFTER = timedelta(seconds=1)  # type: ignore[misc]
    attempt.RENEWAL_SECONDS, attempt.ALIVE_SECONDS = 0.1, 0.5
    engine.LEASE_SECONDS, engine.RENEWAL_SECONDS, engine.MARGIN_SECONDS, engine.SWEEP_SECONDS = 1.0, 0.2, 0.1, 0.5
    driver.UNHEARD_SECONDS = 2.0  # type: ignore[misc]
    asyncio.run(
        work(
            Settings(redis_url=sys.argv[1], prefix=sys.argv[2], batch_url=f"{sys.argv[3]}/kept"),
            Path(sys.argv[3]) / "ledger",
        )
    )

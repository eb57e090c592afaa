"""The queues in which jobs wait for a worker: one of docket's for each priority, on the service's own Redis."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deployments.settings import Settings
from deployments.work.job_type import PRIORITIES, Priority
from store.keys import Keys

if TYPE_CHECKING:
    from deployments.work.docket_queue import Queue

DOCKET_QUEUE = "deployments.work.docket_queue"


class Queues:
    """Opens the queues when they are first used, and closes them. Errors are those of redis-py."""

    def __init__(self, settings: Settings) -> None:
        self._keys = Keys(settings.prefix)
        self._settings = settings
        self._stack = AsyncExitStack()
        self._open: dict[Priority, Queue] = {}

    async def of(self, priority: Priority) -> "Queue":
        """The queue of a priority, connected."""
        if priority not in self._open:
            # By name, and then: docket takes a fifth of a second and 10 MB, and most replicas never submit a job.
            module = await asyncio.to_thread(import_module, DOCKET_QUEUE)
            queue: Queue = module.Queue(self._keys.queue(priority), docket_url(self._settings))
            await self._stack.enter_async_context(queue)
            # Another caller may have opened it meanwhile: then both stay open, and this one is used no further.
            self._open.setdefault(priority, queue)
        return self._open[priority]

    async def put(self, priority: Priority, job_id: str, due_at: int) -> None:
        """Have a worker do the job from `due_at` (ms) on; a job that is there already stays as it is."""
        queue = await self.of(priority)
        await queue.add(queue.task, when=datetime.fromtimestamp(due_at / 1000, UTC), key=job_id)(job_id)

    async def missing(self, job_ids: Sequence[str]) -> list[str]:
        """Which of these jobs docket knows nothing of: they are on no queue, and it does not know that one is done."""
        for priority in PRIORITIES:
            if not job_ids:
                break
            queue = await self.of(priority)
            async with queue.redis() as redis, redis.pipeline() as pipeline:
                for job_id in job_ids:
                    pipeline.hgetall(queue.runs_key(job_id))
                known = await pipeline.execute()
            job_ids = [job_id for job_id, is_known in zip(job_ids, known, strict=True) if not is_known]
        return list(job_ids)

    async def take_out(self, priority: Priority, job_id: str) -> None:
        """Take a job out, or stop the worker that does it."""
        await (await self.of(priority)).cancel(job_id)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._stack.aclose()


def docket_url(settings: Settings) -> str:
    """The Redis of the settings, as docket names it. Raises ValueError if there is none."""
    if settings.redis_url is None:
        raise ValueError("RAYLOGUE_REDIS_URL is not set")
    scheme, _, rest = settings.redis_url.partition("://")
    if urlsplit(settings.redis_url).scheme == "sentinel":
        return f"redis+sentinel://{rest}"
    return f"{scheme}+cluster://{rest}" if settings.redis_cluster else settings.redis_url

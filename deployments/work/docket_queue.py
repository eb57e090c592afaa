"""Docket's queue as we use it; imported by name where it is needed, see deployments/work/queues.py."""

from datetime import timedelta
from typing import NoReturn

from docket import Docket

TASK = "run_job"
"""The one function that docket calls; what a job is stands in its record."""
NO_RECORD = timedelta(0)
"""How long docket keeps what it knows of a task that has ended: the job's own record is kept instead."""


class Queue(Docket):
    """Docket's queue, below the service's own prefix, with one hash tag also where there is no cluster."""

    def __init__(self, stem: str, url: str) -> None:
        super().__init__(name=stem.replace("{", "").replace("}", ""), url=url, execution_ttl=NO_RECORD)
        self._stem = stem
        self.task = TASK
        self.tasks = {TASK: _not_here}  # without the examples that docket brings

    @property
    def prefix(self) -> str:
        """The stem of its keys."""
        return self._stem


async def _not_here(job_id: str) -> NoReturn:
    raise NotImplementedError(f"job {job_id}: only a worker does jobs")

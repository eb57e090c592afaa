"""The code on docs/jobs.md does what the page says."""

import re
from pathlib import Path
from typing import Any

from deployments.work.client import JobClient
from deployments.work.job_type import JOB_TYPES
from deployments.work.worker import JobWorker
from tests.work.conftest import Ended

PAGE = Path(__file__).parents[2] / "docs" / "jobs.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


async def test_the_job_on_the_page_is_done(jobs: JobClient, worker: JobWorker, ended: Ended) -> None:
    namespace: dict[str, Any] = {"__name__": "docs_jobs"}
    for code in BLOCK.findall(PAGE.read_text()):
        exec(code, namespace)

    job_id = await namespace["order_report"](jobs, "2026-01")
    waiting = await jobs._store.jobs.get(job_id)
    assert waiting is not None
    assert (waiting.state, waiting.priority, waiting.due_at - waiting.created_at) == ("waiting", "low", 60_000)
    report = namespace["Report"](month="2026-01")
    job = await ended(await jobs.submit("write_report", report, owner="acme/ada"))

    assert job.result == b'{"month":"2026-01","pages":3}'
    assert job.progress == b'{"done":3,"total":3,"note":"page 3"}'
    assert JOB_TYPES.pop("write_report").timeout == 600

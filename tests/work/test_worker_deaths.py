"""Workers that are killed: every job is done by another one, and its outcome is that of one attempt."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.settings import Settings
from deployments.work.client import JobClient
from store import Store
from tests.support.api import eventually
from tests.support.job_types import Note
from tests.support.service import plain_environment
from tests.work.conftest import OWNER, Ended

ROOT = Path(__file__).parents[2]
Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def start_worker(settings: Settings) -> Iterator[Start]:
    """Starts a worker process, which is gone when the test is over."""
    started: list[subprocess.Popen[str]] = []

    def start() -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.support.job_worker", str(settings.redis_url), settings.prefix]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=plain_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        return process

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.communicate()


async def test_workers_are_killed_and_each_job_ends_once(
    jobs: JobClient, store: Store, ended: Ended, ledger: Path, start_worker: Start
) -> None:
    workers = [start_worker() for _ in range(2)]
    made = [
        await jobs.submit("write_slowly", Note(ledger=ledger, text=str(number), seconds=0.05), owner=OWNER)
        for number in range(30)
    ]
    deadly = await jobs.submit("die_first", Note(ledger=ledger, text="dead"), owner=OWNER)
    await eventually(lambda: _has_died(workers))
    next(worker for worker in workers if worker.poll() is None).kill()
    start_worker()

    over = [await ended(job_id) for job_id in made]
    last = await ended(deadly)

    assert {job.state for job in (*over, last)} == {"succeeded"}
    assert last.attempts >= 2
    # An attempt that was cut may have written before: its line is one of an attempt, never of another outcome.
    lines = Counter(ledger.read_text().split())
    assert set(lines) == {"dead", *(str(number) for number in range(30))}
    assert all(lines[str(number)] <= job.attempts for number, job in enumerate(over))
    assert await store.jobs.list_open(2**53, 10) == []


async def _has_died(workers: list["subprocess.Popen[str]"]) -> bool:
    return any(worker.poll() is not None for worker in workers)

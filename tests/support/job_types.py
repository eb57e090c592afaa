"""Jobs that write down what they did, one line each, in a file that outlives the processes."""

import asyncio
import os
import signal
from pathlib import Path

from pydantic import BaseModel

from deployments.work.attempt import JobContext
from deployments.work.errors import JobFailed
from deployments.work.job_type import job


class Note(BaseModel):
    """`ledger` is the file, `text` the line; `mood` says what goes wrong."""

    ledger: Path
    text: str = "x"
    mood: str = ""
    seconds: float = 0


class Written(BaseModel):
    """How many lines there are."""

    lines: int


@job(retries=2)
async def write_note(context: JobContext, note: Note) -> Written:
    """Write the line; `fails` and `fails_once` raise, `hopeless` can never succeed."""
    if note.mood == "hopeless":
        raise JobFailed("there is no such note")
    if note.mood == "fails" or (note.mood == "fails_once" and context.attempt == 1):
        raise ValueError("a secret of the job")
    return _written(note)


@job(timeout=0.2, retries=0)
async def write_in_time(context: JobContext, note: Note) -> None:
    """Write the line after some time."""
    await asyncio.sleep(note.seconds)
    _written(note)


@job()
async def write_slowly(context: JobContext, note: Note) -> None:
    """Say that it has begun, report, wait, and write the line."""
    with note.ledger.with_suffix(".begun").open("a") as file:
        file.write(f"{note.text} {os.getpid()}\n")
    await context.report(1, 2, "half")
    await asyncio.sleep(note.seconds)
    _written(note)


@job(priority="high")
async def write_at_once(context: JobContext, note: Note) -> None:
    """The same without waiting, before other jobs."""
    _written(note)


@job(retries=3)
async def die_first(context: JobContext, note: Note) -> None:
    """Kill the worker with SIGKILL in the first attempt; write the line in the second."""
    if context.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    _written(note)


@job(ray={"num_cpus": 0})
def write_heavily(note: Note) -> Written:
    """In a process of its own."""
    if note.mood == "fails":
        raise ValueError("a secret of the job")
    return _written(note)


def _written(note: Note) -> Written:
    with note.ledger.open("a") as file:
        file.write(f"{note.text}\n")
    return Written(lines=len(note.ledger.read_text().splitlines()))

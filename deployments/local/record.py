"""The run record: how the commands find the service that `raylogue up` runs on this machine."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ValidationError

from deployments.local.errors import CannotStart
from deployments.local.processes import is_running
from deployments.settings import Settings

RECORD_NAME = "run.json"
LOCK_NAME = "up.lock"
SAME_START_SECONDS = 2.0


class RunRecord(BaseModel):
    """One service; `process_started` (seconds since 1970) tells its process from a later one with the same id."""

    pid: int
    process_started: float
    state: Literal["starting", "running"]
    url: str
    dashboard: str | None = None
    redis: str | None = None

    @property
    def is_alive(self) -> bool:
        """Whether the process that wrote the record still runs."""
        try:
            process = psutil.Process(self.pid)
            started = process.create_time()
        except psutil.Error:
            return False
        return abs(started - self.process_started) < SAME_START_SECONDS and is_running(process)


def new_record(url: str) -> RunRecord:
    """A record of the calling process, which is starting."""
    process = psutil.Process()
    return RunRecord(pid=process.pid, process_started=process.create_time(), state="starting", url=url)


def write_record(data_dir: Path, record: RunRecord) -> None:
    """Replace the record in one step, so that no reader sees half of it."""
    fresh = data_dir / f"{RECORD_NAME}.new"
    fresh.write_text(record.model_dump_json(indent=2) + "\n")
    fresh.replace(data_dir / RECORD_NAME)


def remove_own_record(data_dir: Path) -> None:
    """Remove the record of the calling process, if there is one."""
    record = find_running(data_dir)
    if record is not None and record.pid == os.getpid():
        (data_dir / RECORD_NAME).unlink(missing_ok=True)


def find_running(data_dir: Path) -> RunRecord | None:
    """The service that runs with this data, if any; a record that a crash left behind is ignored."""
    try:
        record = RunRecord.model_validate_json((data_dir / RECORD_NAME).read_text())
    except (OSError, ValidationError):
        return None
    return record if record.is_alive else None


def require_not_running(data_dir: Path) -> None:
    """Raises CannotStart when a service already runs with this data."""
    if record := find_running(data_dir):
        raise CannotStart(
            f"Raylogue runs already at {record.url} (process {record.pid}): use it, or `raylogue down` first"
        )


@contextmanager
def claim_data_dir(settings: Settings) -> Iterator[RunRecord]:
    """Hold the data directory for this process, with a record in it. Raises CannotStart when another holds it."""
    data_dir = settings.data_dir
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data_dir / LOCK_NAME).open("ab")
    except OSError as error:
        raise CannotStart(
            f"{data_dir} cannot be written ({error.strerror}): choose another place with --data-dir"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CannotStart(f"another `raylogue up` is starting with {data_dir}: wait for it") from error
        try:
            record = new_record(settings.url)
            write_record(data_dir, record)
            yield record
        finally:
            (data_dir / RECORD_NAME).unlink(missing_ok=True)

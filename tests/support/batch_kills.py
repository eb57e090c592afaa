"""Kills the workers of a batch at random until it is done: `python -m tests.support.batch_kills --rows 2000`.

Each row's effect is a file in a ledger outside, so that a second one would be seen.
"""

import argparse
import asyncio
import contextlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from deployments.batches.client import BatchClient
from deployments.batches.definition import BatchDefinition
from deployments.process.store import connect_store
from deployments.settings import Settings
from deployments.work.client import JobClient
from deployments.work.job_modules import import_jobs
from deployments.work.queues import Queues
from store import Store
from store.embedded import EmbeddedServer
from store.registries.batches import BatchRecord
from tests.support.batch_worker import clerks
from tests.support.service import plain_environment

ROOT = Path(__file__).parents[2]
OWNER = "acme/ada"


@dataclass(frozen=True, slots=True)
class Killed:
    """What has become of a batch whose workers were killed `kills` times; `effects` counts them for each row."""

    batch: BatchRecord
    kills: int
    effects: Counter[str]
    statuses: Counter[str]
    order: list[int]
    seconds: float


async def kill_workers(
    settings: Settings,
    folder: Path,
    rows: int,
    *,
    seed: int = 0,
    pauses: tuple[float, float] = (3.0, 8.0),
    most: int = 10**6,
) -> Killed:
    """Run a batch on two workers, of which one dies at random after such pauses, at most so often."""
    (folder / "ledger").mkdir()
    import_jobs(settings)
    dice, store, queues = random.Random(seed), connect_store(settings), Queues(settings)
    batches = BatchClient(settings, store, clerks(folder, 0), JobClient(store, queues))
    file_id, _ = await batches.files.receive(OWNER, _rows(rows))
    batch = await batches.create(BatchDefinition(agent="clerk", file=file_id, concurrency=16), OWNER)
    began, kills = time.monotonic(), 0
    with _workers(settings, folder) as workers:
        while not (found := await _get(store, batch.id)).is_over and found.state != "paused":
            await asyncio.sleep(dice.uniform(*pauses))
            if kills < most:
                workers[dice.randrange(2)].send_signal(signal.SIGKILL)
                kills += 1
            for place, worker in enumerate(workers):
                if worker.poll() is not None:
                    workers[place] = _start(settings, folder)
    pieces = await batches.files.open_result(batch.id, "results.jsonl")
    results = (
        [] if pieces is None else [orjson.loads(line) for line in b"".join([p async for p in pieces]).splitlines()]
    )
    await queues.aclose()
    await store.aclose()
    return Killed(
        found,
        kills,
        Counter(mark.read_text() for mark in (folder / "ledger").iterdir()),
        Counter(result["status"] for result in results),
        [result["row"] for result in results],
        time.monotonic() - began,
    )


async def _get(store: Store, batch_id: str) -> BatchRecord:
    found = await store.batches.get(batch_id)
    assert found is not None
    return found


async def _rows(count: int) -> AsyncIterator[bytes]:
    for number in range(1, count + 1):
        yield orjson.dumps({"message": f"row {number}"}) + b"\n"


@contextlib.contextmanager
def _workers(settings: Settings, folder: Path) -> Iterator[list["subprocess.Popen[bytes]"]]:
    workers = [_start(settings, folder) for _ in range(2)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def _start(settings: Settings, folder: Path) -> "subprocess.Popen[bytes]":
    command = [
        sys.executable,
        "-m",
        "tests.support.batch_worker",
        str(settings.redis_url),
        settings.prefix,
        str(folder),
    ]
    with (folder / "workers.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=plain_environment(), stdin=subprocess.PIPE, stdout=log, stderr=log
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.batch_kills", description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, EmbeddedServer(Path(name) / "valkey") as server:
        folder = Path(name)
        settings = Settings(redis_url=server.url, batch_url=f"{folder}/kept")
        killed = asyncio.run(kill_workers(settings, folder, options.rows, seed=options.seed))
    wrong = {row: count for row, count in killed.effects.items() if count != 1}
    missing = options.rows - len(killed.effects)
    print(
        f"seed {options.seed}: {options.rows} rows, {killed.kills} workers killed in {killed.seconds:.0f} s; "
        f"{killed.batch.state}, {killed.batch.succeeded} succeeded, {killed.batch.failed} failed; "
        f"effects twice: {len(wrong)}, missing: {missing}; statuses {dict(killed.statuses)}, "
        f"in order: {killed.order == list(range(1, options.rows + 1))}"
    )
    sys.exit(bool(wrong or missing))


if __name__ == "__main__":
    main()

"""Drives a batch from its first row to its results: one job at a time does, and the next goes on where it has ended.

What is finished is known in the store, a bit for each row, and the feed's consumer notes it there, whether a driver
runs or not. So a driver may die at any point: the rows that it had sent are sent again, as the same messages. A driver
that lives hears of a turn's end as watchers do, before the feed is read, and notes it too: twice noted counts once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import structlog

from agents.clock import now_ms
from deployments.batches.checking import check_rows
from deployments.batches.definition import BatchDefinition, InvalidRow, make_message
from deployments.batches.endings import end_conversations
from deployments.batches.files import BatchFiles
from deployments.batches.hearing import Hearing
from deployments.batches.pace import Pace
from deployments.batches.provider_run import ProviderRun
from deployments.batches.results import Results, in_chunks
from deployments.batches.row_run import BatchServices, RowRun
from deployments.batches.rows import Row
from deployments.settings import Settings
from store import StoreError
from store.live.subscription import Subscription
from store.registries.batches import BatchRecord, RowNote, has_bit

log = structlog.get_logger(__name__)

READ_ROWS: Final = 64
LOOK_SECONDS: Final = 0.1
"""Between two looks at the rows under way, however many signals come."""
UNHEARD_SECONDS: Final = 20.0
"""A row of which nothing has been heard for so long is looked up in its log: the feed may be late."""
MAX_STRIKES: Final = 5
"""After so many attempts in a row without a finished row the batch pauses itself."""
CANCEL_SECONDS: Final = 20.0

Report = Callable[[int, int | None, str], Awaitable[None]]
"""Says how far the job is; raises when it has lost its claim."""


class RowsUnfinished(Exception):
    """Not all rows are finished, though none is under way: another attempt is made; `batch_id` is the only argument."""


class Driver:
    """One attempt of the job `job` to bring the batch on."""

    def __init__(
        self,
        services: BatchServices,
        settings: Settings,
        files: BatchFiles,
        batch: BatchRecord,
        job: str,
        report: Report,
    ) -> None:
        self._services = services
        self._store = services.store
        self._settings = settings
        self._files = files
        self._batch = batch
        self._job = job
        self._report = report
        self._definition = BatchDefinition.model_validate_json(batch.definition)
        self._pace = Pace(self._definition.concurrency, time.monotonic)
        self._run = RowRun(services, batch.id, batch.owner, self._definition, self._pace)
        self._hearing = Hearing(self._store, batch.id, self._run, self._pace)
        self._under_way: dict[int, tuple[int, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._began = time.monotonic()
        self._finished_before = self._succeeded = self._failed_before = 0
        self._stop = ""
        self._failure: Exception | None = None

    async def run(self) -> None:
        """Bring the batch to its end, or to where it waits or pauses. Raises RowsUnreadable, FilesUnavailable."""
        source = self._files.source(self._batch.owner, self._batch.id, self._definition.file)
        if not await self._begin(source):
            return
        if self._definition.provider_batch:
            await self._ask_provider(source)
            await self._end(source)
            return
        async with self._store.batches.listen(self._batch.id) as changes:
            await self._refresh()
            looking = asyncio.create_task(self._look_again(changes))
            try:
                if not self._stop:
                    await self._send_rows(source)
                await self._finish_rows()
            finally:
                for task in (looking, *self._tasks):
                    task.cancel()
                await asyncio.gather(looking, *self._tasks, return_exceptions=True)
                await self._hearing.settle()
        if self._failure is not None:
            raise self._failure
        await self._end(source)

    async def _ask_provider(self, source: str) -> None:
        """Have the provider's own batches answer the rows that are not finished."""

        async def is_stopped() -> str:
            await self._refresh()
            await self._say_progress()
            return self._stop

        agent = self._services.catalog.get(self._definition.agent)
        most = self._settings.max_message_bytes
        await ProviderRun(self._store, self._files, self._batch.id, self._definition, agent, most, is_stopped).run(
            source
        )

    async def _begin(self, source: str) -> bool:
        """Take the batch on, and have its rows checked; whether it is this job's to bring on."""
        if not await self._take_on():
            return False
        if self._batch.total is None:
            total, bad = await check_rows(self._files, source, self._definition, self._settings)
            await self._store.batches.note_rows(self._batch.id, bad)
            await self._change({"total": total})
        self._finished_before, self._succeeded = self._batch.finished, self._batch.succeeded
        self._failed_before = self._batch.failed
        return True

    async def _take_on(self) -> bool:
        if self._batch.job != self._job:
            return False
        strikes = self._batch.strikes + 1
        fields: dict[str, str | int] = {"state": "running", "strikes": strikes, "error": ""}
        if strikes > MAX_STRIKES:
            fields = {"state": "paused", "strikes": 0, "error": "no row was finished in several attempts"}
        if self._batch.started_at is None:
            fields["started_at"] = now_ms()
        await self._store.batches.persist(self._batch.id)
        return await self._change(fields) and strikes <= MAX_STRIKES

    async def _send_rows(self, source: str) -> None:
        finished = await self._store.batches.finished(self._batch.id)
        rounds = await self._store.batches.rounds(self._batch.id)
        waiting = await self._store.batches.waiting(self._batch.id)
        async for some in in_chunks(self._files.rows(source), READ_ROWS):
            for row in some:
                if not isinstance(row, Row) or has_bit(finished, row.number) or row.number in waiting:
                    continue
                await self._pace.take()
                if self._stop:
                    self._pace.give_back()
                    return
                self._start(row.number, rounds.get(row.number, 0), row.data)

    def _start(self, row: int, number: int, data: dict[str, Any]) -> None:
        task = asyncio.create_task(self._send(row, number, data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, row: int, number: int, data: dict[str, Any]) -> None:
        """Send one row. Its place is given back when it is known to be over, here or where it is heard of."""
        self._under_way[row] = (number, time.monotonic())
        is_over = True
        try:
            async with self._hearing.listen(row, number) as listening:
                note = await self._note(row, number, data)
                if note is not None:
                    await self._store.batches.note_rows(self._batch.id, [note])
                    if note.outcome == "again":
                        self._pace.slow_down()
                else:
                    is_over = False
                    if self._is_under_way(row, number):  # else it waits for people already
                        is_over = await self._hearing.wait_for_end(row, number, listening)
        except Exception as error:  # noqa: BLE001 - the row is not finished: the attempt ends, and another one sends it
            self._failure = self._failure or error
            self._end_sending("lost")
        finally:
            if is_over and self._is_under_way(row, number):
                self._give_back(row)

    def _is_under_way(self, row: int, number: int) -> bool:
        return row in self._under_way and self._under_way[row][0] == number

    def _give_back(self, row: int) -> None:
        """The row is over, or waits for people: its place is another's, and it is not heard of any more."""
        del self._under_way[row]
        self._pace.give_back()
        self._hearing.forget(row)

    async def _note(self, row: int, number: int, data: dict[str, Any]) -> RowNote | None:
        try:
            content = make_message(self._definition, data, self._settings.max_message_bytes)
        except InvalidRow as problem:
            return RowNote(row, number, "failed", f"not_valid: {problem}")
        return await self._run.send(row, number, content)

    async def _look_again(self, changes: Subscription) -> None:
        """Look at the rows under way whenever something was noted, and now and then without that."""
        while True:
            with suppress(TimeoutError, StoreError):
                async with asyncio.timeout(UNHEARD_SECONDS / 4):
                    await changes.get()
            try:
                await self._look()
            except StoreError as error:
                log.warning("batch_not_looked_at", batch_id=self._batch.id, cause=str(error))
            except Exception as error:  # noqa: BLE001 - such as a claim that is lost: the run ends with it
                self._failure = error
                self._end_sending("lost")
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        await self._refresh()
        states = await self._store.batches.look(self._batch.id, list(self._under_way))
        gone = [
            row for row in self._under_way if row in states.finished or row in states.waiting or row in states.again
        ]
        for row in gone:
            self._give_back(row)
        self._pace.went_well(max(0, self._batch.succeeded - self._succeeded))
        if self._batch.succeeded > self._succeeded:
            self._failed_before = self._batch.failed
        self._succeeded = self._batch.succeeded
        if any(row in states.again for row in gone):
            self._pace.slow_down()
        await self._look_up_unheard()
        await self._say_progress()

    async def _look_up_unheard(self) -> None:
        now = time.monotonic()
        late = [(row, number) for row, (number, at) in self._under_way.items() if now - at > UNHEARD_SECONDS]
        for row, number in late:
            self._under_way[row] = (number, now)
        found = await asyncio.gather(*(self._run.look(row, number) for row, number in late))
        if notes := [note for note in found if note is not None]:
            await self._store.batches.note_rows(self._batch.id, notes)

    async def _refresh(self) -> None:
        """Read the record, and whether this driver is to stop."""
        batch = await self._store.batches.get(self._batch.id)
        if batch is None or batch.job != self._job or batch.state != "running":
            self._end_sending("lost")
            return
        self._batch = batch
        if batch.wanted:
            self._end_sending(batch.wanted)
        elif 0 < self._definition.pause_after <= batch.failed - self._failed_before:
            self._end_sending("failures")

    def _end_sending(self, why: str) -> None:
        """Begin no more rows. What comes later than this is for another job."""
        if not self._stop or why == "lost":
            self._stop = why
        self._pace.stop()

    async def _finish_rows(self) -> None:
        """Until no row is under way, and rows that are to be begun anew have been."""
        while not self._stop:
            if self._tasks or self._under_way:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            await self._hearing.settle()
            if again := (await self._store.batches.look(self._batch.id, [])).again:
                await self._store.batches.reopen_rows(self._batch.id, list(again))
                await self._send_rows(self._files.source(self._batch.owner, self._batch.id, self._definition.file))
            else:
                return

    async def _end(self, source: str) -> None:
        await self._refresh()
        if self._stop == "lost":
            return
        if self._stop == "pause":
            await self._change({"state": "paused", "wanted": "", "strikes": 0})
            return
        if self._stop == "failures":
            reason = f"{self._batch.failed - self._failed_before} rows in a row failed"
            await self._change({"state": "paused", "wanted": "", "strikes": 0, "error": reason})
            return
        if self._stop == "cancel" and not self._definition.provider_batch:
            await self._cancel_rows()
        elif self._stop != "cancel" and await self._store.batches.waiting(self._batch.id):
            await self._change({"state": "waiting", "strikes": 0})
            return
        elif self._stop != "cancel" and self._batch.finished < (self._batch.total or 0):
            raise RowsUnfinished(self._batch.id)
        await self._write(source)

    async def _cancel_rows(self) -> None:
        """End the turns that go on: of rows under way, that wait for people, or that an earlier driver had sent."""
        finished = await self._store.batches.finished(self._batch.id)
        rounds = await self._store.batches.rounds(self._batch.id)
        waiting = await self._store.batches.waiting(self._batch.id)
        last = len(finished) * 8 + 2 * self._definition.concurrency
        open_rows = [row for row in range(1, last) if not has_bit(finished, row)]
        likely = [*self._under_way, *waiting, *open_rows[-4 * self._definition.concurrency :]]
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS):
                await asyncio.gather(*(self._cancel_row(row, rounds.get(row, 0)) for row in dict.fromkeys(likely)))

    async def _cancel_row(self, row: int, number: int) -> None:
        if not await self._run.exists(row, number):
            return
        await self._run.cancel(row, number)
        if (note := await self._run.look(row, number)) is not None:
            await self._store.batches.note_rows(self._batch.id, [note])

    async def _write(self, source: str) -> None:
        agent = self._services.catalog.agents.get(self._definition.agent)
        if not self._batch.written:
            await Results(self._store, self._files, self._batch.id, self._definition, agent).write(source)
            await self._change({"written": "1"})
        await end_conversations(self._services, self._batch, self._definition)
        state = "cancelled" if self._stop == "cancel" else "done"
        await self._change({"state": state, "wanted": "", "strikes": 0, "finished_at": now_ms()})
        await self._store.batches.keep_for(self._batch.id, round(86_400_000 * self._settings.batch_days))

    async def _say_progress(self) -> None:
        batch = self._batch
        done = batch.finished - self._finished_before
        rate = round(1000 * done / max(0.001, time.monotonic() - self._began))
        if done and batch.strikes:
            await self._change({"strikes": 0})
        if rate and abs(rate - batch.rate) > batch.rate / 20:
            await self._change({"rate": rate})
        await self._report(batch.finished, batch.total, f"{rate / 1000:.1f} rows a second")

    async def _change(self, fields: dict[str, str | int]) -> bool:
        """Change the record while it is this job's; whether it is."""
        current = await self._store.batches.get(self._batch.id)
        if current is None or current.job != self._job:
            return False
        changed = await self._store.batches.change(self._batch.id, ("queued", "running"), fields)
        if changed is not None:
            self._batch = changed
        return changed is not None

"""Hears how the turns of rows end, as watchers of their conversations do: before the feed, which tells it for sure."""

import asyncio
from typing import Final

import structlog

from deployments.batches.definition import conversation_id
from deployments.batches.pace import Pace
from deployments.batches.row_run import RowRun
from store import Store, StoreError
from store.errors import MissedEvents
from store.live.subscription import Subscription
from store.registries.batches import RowNote

log = structlog.get_logger(__name__)

HEARD_EVENTS: Final = 64
"""How many live messages of a row may wait to be heard; when there are more, its log is looked at."""


class Listening:
    """To one row from before it is sent; `subscription` is None while the store does not answer."""

    def __init__(self, store: Store, conversation: str) -> None:
        self._subscribing = store.subscriptions.subscribe(conversation, size=HEARD_EVENTS)
        self.subscription: Subscription | None = None

    async def __aenter__(self) -> "Listening":
        try:
            self.subscription = await self._subscribing.__aenter__()
        except StoreError as error:
            log.info("batch_row_not_listened_to", cause=str(error))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.subscription is not None:
            await self._subscribing.__aexit__(None, None, None)


class Hearing:
    """Of the rows that one driver has under way. What it hears it notes, many rows together."""

    def __init__(self, store: Store, batch_id: str, run: RowRun, pace: Pace) -> None:
        self._store = store
        self._batch = batch_id
        self._run = run
        self._pace = pace
        self._hearing: dict[int, asyncio.Task[None]] = {}
        self._heard: list[RowNote] = []
        self._noting: asyncio.Task[None] | None = None

    def listen(self, row: int, number: int) -> Listening:
        """A block that hears of the row's turn in that round; it is entered before the row is sent."""
        return Listening(self._store, conversation_id(self._batch, row, number))

    async def wait_for_end(self, row: int, number: int, listening: Listening) -> bool:
        """Wait for the end of a row's turn, and have it noted; False if it cannot be heard here: the feed tells it.

        The task that waits is cancelled when `forget` is told the row.
        """
        if listening.subscription is None:
            return False
        task = asyncio.current_task()
        assert task is not None
        self._hearing[row] = task
        try:
            note = await self._next_note(row, number, listening.subscription)
        except StoreError as error:
            log.info("batch_row_not_heard", batch_id=self._batch, row=row, cause=str(error))
            return False
        finally:
            if self._hearing.get(row) is task:
                del self._hearing[row]
        if note.outcome == "again":
            self._pace.slow_down()
        self._heard.append(note)
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._note())
        return True

    def forget(self, row: int) -> None:
        """What there is to hear of the row is known."""
        if (task := self._hearing.pop(row, None)) is not None:
            task.cancel()

    async def settle(self) -> None:
        """Return once all that was heard is noted, as far as the store takes it."""
        if self._noting is not None:
            await self._noting

    async def _next_note(self, row: int, number: int, subscription: Subscription) -> RowNote:
        """What the log says of the row as soon as its turn is over. It may wait for ever, such as for people."""
        while True:
            try:
                told = await subscription.get()
                is_over = any(event["type"] == "turn_ended" for event in told.get("events", ()))
            except MissedEvents:
                is_over = True  # perhaps
            if is_over and (note := await self._run.look(row, number)) is not None:
                return note

    async def _note(self) -> None:
        while self._heard:
            heard, self._heard = self._heard, []
            try:
                await self._store.batches.note_rows(self._batch, heard)
            except StoreError as error:  # then the consumer of the feed notes it
                log.info("batch_rows_not_noted", batch_id=self._batch, rows=len(heard), cause=str(error))

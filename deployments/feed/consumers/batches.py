"""Notes how the rows of batches end, and which wait for people: so no driver has to be there when that happens."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from deployments.batches.client import BatchClient
from deployments.batches.definition import row_of
from deployments.batches.outcomes import FIRST_TURN, note_of
from deployments.feed.consumer import FeedServices
from store import Store
from store.feed.entry import FeedEntry
from store.registries.batches import RowNote


class BatchRows:
    """However often the same entries come, a row is finished once."""

    name = "batches"

    def __init__(self, store: Store, batches: BatchClient) -> None:
        self._store = store
        self._batches = batches

    async def take(self, entries: Sequence[FeedEntry]) -> None:
        """Raises StoreUnavailable."""
        for batch_id, notes in _notes(entries).items():
            await self._store.batches.note_rows(batch_id, notes)
            await self._batches.wake(batch_id)


def make(services: FeedServices) -> BatchRows:
    """The consumer of a replica."""
    batches = BatchClient(services.settings, services.store, services.catalog, services.jobs)
    return BatchRows(services.store, batches)


def _notes(entries: Iterable[FeedEntry]) -> dict[str, list[RowNote]]:
    found: defaultdict[str, list[RowNote]] = defaultdict(list)
    for entry in entries:
        place = row_of(entry.conversation_id)
        if place is None:
            continue
        batch_id, row, number = place
        note = _note(entry, row, number)
        if note is not None:
            found[batch_id].append(note)
    return found


def _note(entry: FeedEntry, row: int, number: int) -> RowNote | None:
    data = entry.data
    match entry.type:
        case "turn_ended" if data["turn"] == FIRST_TURN:
            return note_of(row, number, data["outcome"], data["reason"], data["usage"], data["cost"])
        case "question_asked" if data["turn"] == FIRST_TURN:
            return RowNote(row, number, "waiting")
        case "question_answered" | "question_expired":
            return RowNote(row, number, "going")
        case "conversation_deleted":
            return RowNote(row, number, "failed", "conversation_deleted")
        case _:
            return None

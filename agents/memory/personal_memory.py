"""The memory of one person: short texts, and where each came from; agents and the person add, correct and forget."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson

from agents.memory.errors import MemoryChanged, MemoryNotFound, MemoryRefused
from agents.memory.ranking import Ranking, by_words, fold_words
from agents.storable import storage_problem
from store import Scope, Store
from store.errors import FileConflict, FileMissing, TooManyMemories
from store.registries.memories import MAX_MEMORIES, MemoryRecord

MAX_CHARACTERS: Final = 500
"""Of one memory."""
MAX_ATTEMPTS: Final = 20
"""How often a change is tried; a try fails when another writer was faster."""
FILE: Final = "memory.md"
"""Earlier code kept memories as the lines of this file of the person; they are taken over, and the file goes."""
TAKEN: Final = "file"
"""The id under which is noted that there is no such file any more."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One memory. Times are ms since 1970; `revision` counts its changes from 1.

    `source` says where it came from: the `conversation`, `turn`, `channel` and `agent`, or `{"by": "person"}`.
    """

    id: str
    text: str
    source: Mapping[str, Any]
    created_at: int
    updated_at: int
    revision: int


class PersonalMemory:
    """Every call may raise StoreUnavailable. Repeated calls change nothing more; writers at once lose nothing."""

    def __init__(self, store: Store, person: str, clock: Callable[[], int]) -> None:
        self._store = store
        self._person = person
        self._clock = clock

    async def entries(self) -> list[Entry]:
        """All memories, the oldest first."""
        records = await self._store.memories.all(self._person)
        if not any(record.id == TAKEN for record in records):
            await self._take_over_file()
            records = await self._store.memories.all(self._person)
        found = [_decode(record) for record in records if record.id != TAKEN]
        return sorted(found, key=lambda entry: (entry.created_at, entry.id))

    async def get(self, memory_id: str) -> Entry:
        """The memory of this id. Raises MemoryNotFound."""
        record = await self._store.memories.get(self._person, memory_id)
        if record is None or record.id == TAKEN:
            raise MemoryNotFound(memory_id)
        return _decode(record)

    async def search(self, query: str, ranking: Ranking = by_words, limit: int = 20) -> list[Entry]:
        """The memories that fit the query, the best first, the newer before the older."""
        entries = (await self.entries())[::-1]
        scores = await ranking(query, [entry.text for entry in entries])
        ranked = sorted(zip(scores, entries, strict=True), key=lambda pair: -pair[0])
        return [entry for score, entry in ranked[:limit] if score > 0]

    async def add(self, text: str, source: Mapping[str, Any]) -> Entry:
        """Remember it; the same words a second time are the memory that is there. Raises MemoryRefused."""
        words = checked(text)

        async def attempt() -> Entry | None:
            known = await self.entries()
            same = next((entry for entry in known if fold_words(entry.text) == fold_words(words)), None)
            if same is not None:
                return same
            # The id follows from the words: two writers of the same memory write one.
            memory_id = await self._free_id(words)
            last = known[-1].created_at if known else 0
            now = max(self._clock(), last + 1)  # they stay in the order in which they came
            return await self._keep(Entry(memory_id, words, source, now, now, 0))

        return await self._repeat(attempt)

    async def correct(self, memory_id: str, text: str, source: Mapping[str, Any], revision: int | None = None) -> Entry:
        """Replace the words of a memory, if its revision is still this. Raises MemoryNotFound, Changed, Refused."""
        words = checked(text)

        async def attempt() -> Entry | None:
            known = await self.get(memory_id)
            if known.text == words:
                return known
            if revision not in (None, known.revision):
                raise MemoryChanged(memory_id)
            return await self._keep(Entry(known.id, words, source, known.created_at, self._clock(), known.revision))

        return await self._repeat(attempt)

    async def forget(self, memory_id: str, revision: int | None = None) -> None:
        """Forget one; one that is gone stays so. Raises MemoryChanged."""

        async def attempt() -> bool:
            record = await self._store.memories.get(self._person, memory_id)
            if record is None or record.id == TAKEN:
                return True
            if revision not in (None, record.revision):
                raise MemoryChanged(memory_id)
            return await self._store.memories.forget(self._person, memory_id, revision=record.revision)

        await self._repeat(attempt)

    async def _free_id(self, words: str) -> str:
        """An id of these words that no memory has: one that was corrected keeps the id of its first words."""
        number = 0
        while True:
            memory_id = _id_of(words, number)
            if await self._store.memories.get(self._person, memory_id) is None:
                return memory_id
            number += 1

    async def _keep(self, entry: Entry) -> Entry | None:
        """The entry as it is kept; None if another writer was faster."""
        data = orjson.dumps(
            {
                "text": entry.text,
                "source": dict(entry.source),
                "created_at": entry.created_at,
                "updated_at": entry.updated_at,
            }
        )
        try:
            kept = await self._store.memories.keep(self._person, entry.id, data, revision=entry.revision)
        except TooManyMemories as error:
            raise MemoryRefused(f"there are {error.most} memories: forget some first") from error
        return None if kept is None else _decode(MemoryRecord(entry.id, kept, data))

    async def _take_over_file(self) -> None:
        files, scope = self._store.files, Scope("user", self._person)
        file = None
        with suppress(FileMissing):
            file = await files.read(scope, FILE)
        if file is not None:
            lines = file.content.decode(errors="replace").splitlines()
            texts = [part for line in lines for part in _parts(" ".join(line.strip().removeprefix("- ").split()))]
            for number, text in enumerate(texts[: MAX_MEMORIES - 1]):
                at = file.info.updated_at + number  # in the order of the file
                await self._keep(Entry(_id_of(text), text, {"by": FILE}, at, at, 0))
            try:
                await files.delete(scope, FILE, expected_version=file.info.version)
            except (FileConflict, FileMissing):
                return  # it is looked at again the next time
        await self._store.memories.keep(self._person, TAKEN, b"{}", revision=0)

    async def _repeat(self, attempt: Callable[[], Awaitable[T | None]]) -> T:
        for _ in range(MAX_ATTEMPTS):
            if done := await attempt():
                return done
        raise MemoryRefused("it is being changed by others all the time; try again later")


def checked(text: str) -> str:
    """The text on one line. Raises MemoryRefused for one that cannot be kept."""
    words = " ".join(text.split())
    if not words:
        raise MemoryRefused("it is empty")
    if len(words) > MAX_CHARACTERS:
        raise MemoryRefused(f"it has {len(words)} characters, and may have {MAX_CHARACTERS}")
    if problem := storage_problem(words):
        raise MemoryRefused(problem)
    return words


def _id_of(words: str, number: int = 0) -> str:
    return hashlib.sha256(f"{number}:{fold_words(words)}".encode()).hexdigest()[:16]


def _parts(line: str) -> Sequence[str]:
    return [line[begin : begin + MAX_CHARACTERS] for begin in range(0, len(line), MAX_CHARACTERS)]


def _decode(record: MemoryRecord) -> Entry:
    kept = orjson.loads(record.data)
    return Entry(record.id, kept["text"], kept["source"], kept["created_at"], kept["updated_at"], record.revision)

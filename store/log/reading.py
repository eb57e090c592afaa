"""Reads logs both ways: what the stream has, and in front of it what has been moved to the archive."""

from collections.abc import Iterable, Sequence
from itertools import islice

from store.client.client import Argument, Client, Reply
from store.client.script import PAGE
from store.keys import Keys
from store.log.archive_index import ArchiveIndex
from store.records import Record


class LogReader:
    """Reads the logs of all conversations. Every call may raise StoreUnavailable.

    Where a call needs the archive, it may raise ArchiveUnavailable, and ArchiveDamaged rather than leave a record out.
    """

    def __init__(self, client: Client, keys: Keys, archived: ArchiveIndex) -> None:
        self._client = client
        self._keys = keys
        self._archived = archived

    async def seq_of(self, conversation_id: str, client_id: str) -> int | None:
        """Where the message with this client id is in the log, or None if it never arrived."""
        return await self._archived.seq_of(conversation_id, client_id)

    async def read(self, conversation_id: str, *, after: int = 0, limit: int | None = None) -> list[Record]:
        """The records that follow seq `after`, oldest first; the first `limit` of them."""
        found = await self._from(conversation_id, after + 1, limit)
        return await self._with_older(conversation_id, after, found, limit, None)

    async def page(self, conversation_id: str, *, after: int = 0, limit: int, max_bytes: int) -> list[Record]:
        """What `read` gives, but no more records than it takes to have `max_bytes` together, and at least one."""
        entries = await self._page(conversation_id, "XRANGE", f"{after + 1}-0", "+", limit, max_bytes)
        return await self._with_older(conversation_id, after, [_record(entry) for entry in entries], limit, max_bytes)

    async def read_back(self, conversation_id: str, *, before: int | None = None, limit: int) -> list[Record]:
        """The last `limit` records ahead of seq `before` (None: of the whole log), oldest first."""
        key = self._keys.conversation(conversation_id).log
        newest = _newest(before)
        entries: Reply = await self._client.ask(lambda: self._client.redis.xrevrange(key, max=newest, count=limit))
        found = [_record(entry) for entry in reversed(entries)]
        return await self._with_older_still(conversation_id, before, found, limit, None)

    async def page_back(
        self, conversation_id: str, *, before: int | None = None, limit: int, max_bytes: int
    ) -> list[Record]:
        """What `read_back` gives, bounded as a `page` is."""
        entries = await self._page(conversation_id, "XREVRANGE", _newest(before), "-", limit, max_bytes)
        found = [_record(entry) for entry in reversed(entries)]
        return await self._with_older_still(conversation_id, before, found, limit, max_bytes)

    async def _with_older(
        self, conversation_id: str, after: int, found: list[Record], limit: int | None, max_bytes: int | None
    ) -> list[Record]:
        """What the stream gave behind `after`, with what is missing in front of it.

        The stream keeps the newest records always: if it gives nothing, there is nothing.
        """
        if not found or found[0].seq == after + 1:
            return found
        until = found[0].seq if limit is None else min(found[0].seq, after + 1 + limit)
        older = await self._archived.read(conversation_id, after, until, enough=max_bytes)
        return _bounded([*older, *found], limit, max_bytes)

    async def _with_older_still(
        self, conversation_id: str, before: int | None, found: list[Record], limit: int, max_bytes: int | None
    ) -> list[Record]:
        """What the stream gave ahead of `before`, with what is missing in front of it."""
        until = found[0].seq if found else await self._unseen(conversation_id, before)
        after = max(until - 1 - (limit - len(found)), 0)
        room = None if max_bytes is None else max_bytes - _size(found)
        if after + 1 >= until or (found and room is not None and room <= 0):
            return found
        older = await self._archived.read(conversation_id, after, until, enough=room, newest_first=True)
        return _bounded(reversed([*older, *found]), limit, max_bytes)[::-1]

    async def _unseen(self, conversation_id: str, before: int | None) -> int:
        """`before`, if the stream begins there or later; 1, which nothing precedes, if it ends ahead of it."""
        if before is None or before <= 1:
            return 1
        later = await self._from(conversation_id, before, 1)
        return before if later else 1

    async def _from(self, conversation_id: str, seq: int, limit: int | None) -> list[Record]:
        """What the stream has from `seq` on."""
        key = self._keys.conversation(conversation_id).log
        entries: Reply = await self._client.ask(lambda: self._client.redis.xrange(key, min=f"{seq}-0", count=limit))
        return [_record(entry) for entry in entries]

    async def _page(
        self, conversation_id: str, command: str, first: str, last: str, limit: int, max_bytes: int
    ) -> Sequence[Reply]:
        key = self._keys.conversation(conversation_id).log
        arguments: list[Argument] = [command, first, last, limit, max_bytes]
        entries: list[Reply] = await self._client.ask(lambda: self._client.run(PAGE, [key], arguments))
        return entries


def _newest(before: int | None) -> str:
    return "+" if before is None else f"{max(before - 1, 0)}-0"


def _record(entry: Reply) -> Record:
    entry_id, fields = entry
    data = fields[1] if isinstance(fields, list) else fields[b"d"]  # a script's answer is as Redis gives it
    return Record(int(entry_id[:-2]), data)  # ids end in "-0"


def _size(records: Iterable[Record]) -> int:
    return sum(len(record.data) for record in records)


def _bounded(records: Iterable[Record], limit: int | None, max_bytes: int | None) -> list[Record]:
    """The first of `records`: at most `limit`, and no more than it takes to have `max_bytes`."""
    taken: list[Record] = []
    size = 0
    for record in islice(records, limit):
        taken.append(record)
        size += len(record.data)
        if max_bytes is not None and size >= max_bytes:
            break
    return taken

"""Reads logs in both directions: the records of the stream, and before them the records in the archive."""

from collections.abc import Iterable, Sequence
from itertools import islice

from store.client.client import Client, Reply
from store.client.script import READ_PAGE, Argument
from store.keys import Keys
from store.log.archive_index import ArchiveIndex
from store.records import Record


class LogReader:
    """Reads the logs of all conversations. Every call may raise StoreUnavailable.

    A call that needs the archive may raise ArchiveUnavailable, and ArchiveDamaged rather than leave a record out.
    """

    def __init__(self, client: Client, keys: Keys, archive_index: ArchiveIndex) -> None:
        self._client = client
        self._keys = keys
        self._archive_index = archive_index

    async def seq_of(self, conversation_id: str, client_id: str) -> int | None:
        """Where the message with this client id is in the log, or None if it never arrived."""
        return await self._archive_index.seq_of(conversation_id, client_id)

    async def read(self, conversation_id: str, *, after: int = 0, limit: int | None = None) -> list[Record]:
        """The first `limit` records after seq `after`, oldest first."""
        found = await self._read_stream(conversation_id, after + 1, limit)
        return await self._with_archived(conversation_id, after, found, limit, None)

    async def page(self, conversation_id: str, *, after: int = 0, limit: int, max_bytes: int) -> list[Record]:
        """What `read` returns, but only until there are `max_bytes` of records; at least one record."""
        entries = await self._page(conversation_id, "XRANGE", f"{after + 1}-0", "+", limit, max_bytes)
        return await self._with_archived(
            conversation_id, after, [_record(entry) for entry in entries], limit, max_bytes
        )

    async def read_back(self, conversation_id: str, *, before: int | None = None, limit: int) -> list[Record]:
        """The last `limit` records before seq `before` (None: of the whole log), oldest first."""
        key = self._keys.conversation(conversation_id).log
        newest = _newest(before)
        entries: Reply = await self._client.retry(lambda: self._client.redis.xrevrange(key, max=newest, count=limit))
        found = [_record(entry) for entry in reversed(entries)]
        return await self._with_archived_back(conversation_id, before, found, limit, None)

    async def page_back(
        self, conversation_id: str, *, before: int | None = None, limit: int, max_bytes: int
    ) -> list[Record]:
        """What `read_back` returns, bounded as a `page` is."""
        entries = await self._page(conversation_id, "XREVRANGE", _newest(before), "-", limit, max_bytes)
        found = [_record(entry) for entry in reversed(entries)]
        return await self._with_archived_back(conversation_id, before, found, limit, max_bytes)

    async def _with_archived(
        self, conversation_id: str, after: int, found: list[Record], limit: int | None, max_bytes: int | None
    ) -> list[Record]:
        """The records that the stream has after `after`, with the archived records that are missing before them.

        The stream always keeps the newest records: if it has none after `after`, there are none.
        """
        if not found or found[0].seq == after + 1:
            return found
        until = found[0].seq if limit is None else min(found[0].seq, after + 1 + limit)
        older = await self._archive_index.read(conversation_id, after, until, enough=max_bytes)
        return _bounded([*older, *found], limit, max_bytes)

    async def _with_archived_back(
        self, conversation_id: str, before: int | None, found: list[Record], limit: int, max_bytes: int | None
    ) -> list[Record]:
        """The records that the stream has before `before`, with the archived records that are missing before them."""
        until = found[0].seq if found else await self._archive_end(conversation_id, before)
        after = max(until - 1 - (limit - len(found)), 0)
        room = None if max_bytes is None else max_bytes - _size(found)
        if after + 1 >= until or (found and room is not None and room <= 0):
            return found
        older = await self._archive_index.read(conversation_id, after, until, enough=room, newest_first=True)
        return _bounded(reversed([*older, *found]), limit, max_bytes)[::-1]

    async def _archive_end(self, conversation_id: str, before: int | None) -> int:
        """Before which seq the archive is read when the stream has nothing before `before`.

        That is `before` if the stream begins there or later, and 1, which nothing precedes, if the log is empty.
        """
        if before is None or before <= 1:
            return 1
        later = await self._read_stream(conversation_id, before, 1)
        return before if later else 1

    async def _read_stream(self, conversation_id: str, seq: int, limit: int | None) -> list[Record]:
        """The records of the stream from `seq` on."""
        key = self._keys.conversation(conversation_id).log
        entries: Reply = await self._client.retry(lambda: self._client.redis.xrange(key, min=f"{seq}-0", count=limit))
        return [_record(entry) for entry in entries]

    async def _page(
        self, conversation_id: str, command: str, first: str, last: str, limit: int, max_bytes: int
    ) -> Sequence[Reply]:
        key = self._keys.conversation(conversation_id).log
        arguments: list[Argument] = [command, first, last, limit, max_bytes]
        entries: list[Reply] = await self._client.retry(lambda: self._client.run(READ_PAGE, [key], arguments))
        return entries


def _newest(before: int | None) -> str:
    return "+" if before is None else f"{max(before - 1, 0)}-0"


def _record(entry: Reply) -> Record:
    entry_id, fields = entry
    if isinstance(fields, list):  # the reply of a script is not parsed
        fields = dict(zip(fields[::2], fields[1::2], strict=True))
    epoch = fields.get(b"e")
    return Record(int(entry_id[:-2]), fields[b"d"], None if epoch is None else int(epoch))  # ids end in "-0"


def _size(records: Iterable[Record]) -> int:
    return sum(len(record.data) for record in records)


def _bounded(records: Iterable[Record], limit: int | None, max_bytes: int | None) -> list[Record]:
    """The first of `records`: at most `limit`, and only until there are `max_bytes`."""
    taken: list[Record] = []
    size = 0
    for record in islice(records, limit):
        taken.append(record)
        size += len(record.data)
        if max_bytes is not None and size >= max_bytes:
            break
    return taken

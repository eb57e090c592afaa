"""Which records are in the archive: their writers move them there, and readers get them back like any others."""

import asyncio
from collections.abc import Sequence

from store.client.client import Client, Reply
from store.client.script import FIND_CLIENT_ID, TRIM_ARCHIVED, Argument
from store.errors import ArchiveDamaged, ArchiveUnavailable, Conflict, ConversationNotFound, Fenced
from store.keys import Keys
from store.log.archive import Archive
from store.log.segment import Segment, SegmentName, fingerprint, fingerprints
from store.records import Record

MAX_MOVES = 2
"""How many conversations move records at the same time."""
MAX_RECORDS_PER_READ = 25
MAX_SEGMENT_BYTES = 8 * 1024**2
"""A segment with so many bytes is full, however few records it has."""

WriterId = tuple[str, int]
"""Conversation id and epoch."""


class ArchiveIndex:
    """Knows by an index in Redis which segments are part of a log; other files in the archive were left by a crash."""

    def __init__(self, client: Client, keys: Keys, archive: Archive | None) -> None:
        self._client = client
        self._keys = keys
        self._archive = archive
        self._moves = asyncio.Semaphore(MAX_MOVES)

    async def read(
        self, conversation_id: str, after: int, until: int, *, enough: int | None = None, newest_first: bool = False
    ) -> list[Record]:
        """All records after seq `after` and before seq `until`, oldest first.

        With `enough` it stops after the segment that makes it so many bytes, and with `newest_first` it begins with the
        newest segment. Raises ArchiveUnavailable, and ArchiveDamaged rather than leave a record out. Empty if the
        conversation is gone.
        """
        names = await self._segments(conversation_id)
        parts: list[Sequence[Record]] = []
        first, last, size = after + 1, until - 1, 0
        while first <= last and (enough is None or size < enough):
            part = await self._part(conversation_id, names, last if newest_first else first, first, last)
            if part is None:
                return []
            parts.append(part)
            size += sum(len(record.data) for record in part)
            first, last = (first, part[0].seq - 1) if newest_first else (part[-1].seq + 1, last)
        return [record for part in (reversed(parts) if newest_first else parts) for record in part]

    async def seq_of(self, conversation_id: str, client_id: str) -> int | None:
        """Where the message with this client id is, in the log or in the archive; None if it never arrived.

        The archive is asked only if a segment may have it. Raises ArchiveUnavailable, ArchiveDamaged.
        """
        keys = self._keys.conversation(conversation_id)
        names = [keys.clients, keys.segments]
        answer: Reply = await self._client.retry(
            lambda: self._client.run(FIND_CLIENT_ID, names, [client_id, fingerprint(client_id)])
        )
        if answer[0] == b"at":
            return int(answer[1])
        for file in answer[1:]:
            segment = await self._reachable.read(conversation_id, SegmentName.parse(file.decode()))
            if client_id in segment.clients:
                return segment.clients[client_id]
        return None

    async def move(self, writer: WriterId, archived: int, upto: int) -> int:
        """Move full segments of the records after seq `archived`, up to `upto`; return the last seq in the archive.

        A segment is written and verified before the log is trimmed, so after a crash the log is complete, and at worst
        a file is written once more. Raises Fenced, ConversationNotFound, Conflict, ArchiveUnavailable, ArchiveDamaged,
        StoreUnavailable; segments that were moved before the error stay moved.
        """
        length = self._reachable.segment_events
        async with self._moves:
            await self._reachable.open()
            archived = await self._trim(writer, archived + 1, archived, "", [b""])
            clients = await self._clients(writer[0]) if archived + length <= upto else {}
            while archived + length <= upto:
                archived = await self._move_one(writer, archived + 1, archived + length, clients)
        return archived

    async def drop(self, conversation_id: str) -> None:
        """Remove what the archive holds of a conversation. Raises ArchiveUnavailable."""
        await self._reachable.drop(conversation_id)

    @property
    def _reachable(self) -> Archive:
        if self._archive is None:
            raise ArchiveUnavailable("this deployment has no archive any more, and the conversation has a part there")
        return self._archive

    async def _part(
        self, conversation_id: str, names: Sequence[SegmentName], seq: int, first: int, last: int
    ) -> Sequence[Record] | None:
        """The records from `first` to `last` in the segment with `seq`; None if the conversation is gone."""
        name = next((name for name in names if name.first <= seq <= name.last), None)
        if name is not None:
            records = (await self._reachable.read(conversation_id, name)).records
            return records[max(first, name.first) - name.first : last + 1 - name.first]
        meta_key = self._keys.conversation(conversation_id).meta
        if await self._client.retry(lambda: self._client.redis.exists(meta_key)):
            raise ArchiveDamaged(conversation_id, "its index", f"record {seq} is in no segment")
        return None

    async def _segments(self, conversation_id: str) -> list[SegmentName]:
        key = self._keys.conversation(conversation_id).segments
        files: Reply = await self._client.retry(lambda: self._client.redis.hkeys(key))
        return sorted(SegmentName.parse(file.decode()) for file in files)

    async def _move_one(self, writer: WriterId, first: int, last: int, clients: dict[str, int]) -> int:
        conversation_id = writer[0]
        records = await self._logged(conversation_id, first, last)
        last = records[-1].seq
        segment = Segment(
            records,
            {client_id: seq for client_id, seq in clients.items() if first <= seq <= last},
        )
        name = await self._reachable.write(conversation_id, segment)
        forgotten: Sequence[Argument] = [fingerprints(segment.clients), *segment.clients]
        try:
            return await self._trim(writer, first, last, name.file, forgotten)
        except ConversationNotFound:  # deleted meanwhile, with all of its segments but this one
            await self._reachable.drop(conversation_id)
            raise

    async def _logged(self, conversation_id: str, first: int, last: int) -> list[Record]:
        """The records from `first` to `last`, or fewer if they are large; always the same ones."""
        key = self._keys.conversation(conversation_id).log
        records: list[Record] = []
        size = 0
        while (following := first + len(records)) <= last and size < MAX_SEGMENT_BYTES:
            until = min(following + MAX_RECORDS_PER_READ - 1, last)
            page: Reply = await self._client.retry(
                lambda: self._client.redis.xrange(key, min=f"{following}-0", max=f"{until}-0")  # noqa: B023
            )
            found = [Record(int(entry_id[:-2]), fields[b"d"]) for entry_id, fields in page]
            if [record.seq for record in found] != list(range(following, until + 1)):
                raise Conflict(conversation_id, until, found[-1].seq if found else 0)
            records += found
            size += sum(len(record.data) for record in found)
        return records

    async def _clients(self, conversation_id: str) -> dict[str, int]:
        key = self._keys.conversation(conversation_id).clients
        found: Reply = await self._client.retry(lambda: self._client.redis.hgetall(key))
        return {client_id.decode(): int(seq) for client_id, seq in found.items()}

    async def _trim(self, writer: WriterId, first: int, last: int, file: str, forgotten: Sequence[Argument]) -> int:
        conversation_id, epoch = writer
        keys = self._keys.conversation(conversation_id)
        names = [keys.log, keys.meta, keys.segments, keys.clients]
        arguments: Sequence[Argument] = [epoch, first, last, file, *forgotten]
        match await self._client.retry(lambda: self._client.run_confirmed(TRIM_ARCHIVED, names, arguments)):
            case [b"done", archived]:
                return int(archived)
            case [b"fenced", current]:
                raise Fenced(conversation_id, epoch, int(current))
            case [b"conflict", last_seq]:
                raise Conflict(conversation_id, last, int(last_seq))
            case _:
                raise ConversationNotFound(conversation_id)

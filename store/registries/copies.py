"""Copies of conversations, made of another one or of a file: nothing shows them before they are complete."""

import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import orjson

from store.client.client import Client, Reply
from store.client.script import COMMIT_COPY, COPY_FILE, COPY_RECORDS, Argument, pairs
from store.errors import ConversationExists, ConversationNotFound, StoreUnavailable
from store.files.files import File
from store.keys import Keys
from store.records import ConversationMeta, Parent, Placement, decode_meta
from store.registries.conversations import Registry, creation_notice
from store.registries.lists import Lists

LIFETIME_SECONDS = 3600
"""How long the parts of a copy stay after the last write to it."""
RENEWAL_SECONDS = 600.0
IMPORT_MS = 2 * LIFETIME_SECONDS * 1000
"""After so long no part of an import can be added any more: what there is of it is removed."""
LOST = "the copy was not complete any more, and is to be made again"
NO_CLIENTS: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyMeta:
    """What a copy is to be beside its log and files; the fields are those of `ConversationMeta`.

    `children` are the ids of conversations that are copied together with it, and are its children.
    """

    agent: str
    principal: str
    channel: str
    created_at: int
    updated_at: int
    state: bytes | None = None
    title: str | None = None
    placement: Placement | None = None
    project: str | None = None
    parent: Parent | None = None
    summary_seq: int | None = None
    format: int = 0
    forked_from: str | None = None
    forked_seq: int = 0
    imported_at: int | None = None
    children: Sequence[str] = ()

    def fields(self) -> list[Argument]:
        """The fields of the meta hash with their values, one after the other."""
        found: dict[str, Argument | None] = {
            name: getattr(self, name) for name in type(self).__slots__ if name not in ("parent", "children")
        }
        if self.forked_from is None:
            del found["forked_seq"]
        if (parent := self.parent) is not None:
            found |= {"parent": parent.conversation_id, "parent_call": parent.tool_call_id, "parent_seq": parent.seq}
            found |= {"root": parent.root, "depth": parent.depth}
        return [part for name, value in found.items() if value is not None for part in (name, value)]


class Copy:
    """One conversation on its way into the store; `id` is by what a repetition of the same copy is known."""

    def __init__(self, client: Client, keys: Keys, conversation_id: str, copy_id: str | None = None) -> None:
        name = secrets.token_hex(16)
        self.conversation_id = conversation_id
        self.id = copy_id or name
        self.last_seq = 0
        self._files = 0
        self._client = client
        self._keys = keys.copy(conversation_id, name)
        self._own = keys.conversation(conversation_id)
        self._renewed = time.monotonic()

    async def append(self, records: Sequence[bytes], client_ids: Mapping[str, int] = NO_CLIENTS) -> None:
        """Add the records that follow; the first time also without any. Raises StoreUnavailable."""
        arguments: list[Argument] = [LIFETIME_SECONDS, self.last_seq, len(records), *records]
        for client_id, seq in client_ids.items():
            arguments += (client_id, seq)
        names = self._names()
        if not await self._client.retry(lambda: self._client.run(COPY_RECORDS, names, arguments)):
            raise StoreUnavailable(LOST)
        self.last_seq += len(records)
        self._renewed = time.monotonic()

    async def add_file(self, file: File) -> None:
        """Add a file, which keeps its version. Raises StoreUnavailable."""
        keys, info = self._keys, file.info
        names = [keys.head, keys.files.files, keys.files.contents, keys.files.totals]
        arguments: list[Argument] = [LIFETIME_SECONDS, info.path, file.content, info.version, info.updated_at]
        if not await self._client.retry(lambda: self._client.run(COPY_FILE, names, arguments)):
            raise StoreUnavailable(LOST)
        self._files += 1

    async def keep(self) -> None:
        """Say that it is still being made; to be called again and again. Raises StoreUnavailable."""
        if time.monotonic() - self._renewed > RENEWAL_SECONDS:
            await self.append([])

    async def discard(self) -> None:
        """Drop what there is of it; once it is a conversation, nothing. Raises StoreUnavailable."""
        await self._client.retry(lambda: self._client.redis.unlink(*self._names()))

    async def commit(self, meta: CopyMeta) -> ConversationMeta:
        """Make it a conversation. Raises ConversationExists, StoreUnavailable."""
        fields = meta.fields()
        keys, own = self._keys, self._own
        names = [own.meta, own.children, keys.head, own.feed.stream, own.feed.groups]
        names += [keys.log, own.log, keys.files.files, own.files.files]
        names += [keys.clients, own.clients, keys.files.contents, own.files.contents]
        names += [keys.files.totals, own.files.totals]
        arguments: list[Argument] = [self.id, self.last_seq, self._files, self.conversation_id, creation_notice(fields)]
        arguments += [len(meta.children), *meta.children, *fields]
        flat = await self._client.retry(lambda: self._client.run_confirmed(COMMIT_COPY, names, arguments))
        if flat == 0:
            raise StoreUnavailable(LOST)
        if not flat:
            raise ConversationExists(self.conversation_id)
        return decode_meta(self.conversation_id, pairs(flat))

    @property
    def head(self) -> str:
        """The key without which it cannot be committed."""
        return self._keys.head

    def _names(self) -> list[str]:
        keys = self._keys
        return [keys.head, keys.log, keys.clients, keys.files.files, keys.files.contents, keys.files.totals]


class Copies:
    """Makes copies. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys, registry: Registry, lists: Lists) -> None:
        self._client = client
        self._keys = keys
        self._registry = registry
        self._lists = lists

    async def begin(self, conversation_id: str, copy_id: str | None = None) -> Copy:
        """Begin a copy that will be the conversation with that id."""
        copy = Copy(self._client, self._keys, conversation_id, copy_id)
        await copy.append([])
        return copy

    async def complete(self, copy: Copy, meta: CopyMeta) -> ConversationMeta:
        """Make a copy a conversation, which its owner's list shows. Raises ConversationExists."""
        made = await copy.commit(meta)
        await self._lists.put([made], made.updated_at)
        return made

    async def complete_all(self, root: tuple[Copy, CopyMeta], below: Sequence[tuple[Copy, CopyMeta]], now: int) -> None:
        """Make copies one conversation with all that descend from it, or none of them. Raises ConversationExists.

        The root comes last, and without it nothing shows the others. What a crash leaves of them, `sweep` removes.
        """
        if below:
            await self._note(root[0], [copy for copy, _ in below], now)
        try:
            for copy, meta in below:
                await copy.commit(meta)
            await self.complete(*root)
        except ConversationExists:
            await self._remove(root[0].id)
            raise
        if below:
            await self._client.retry(lambda: self._client.redis.hdel(self._keys.imports, root[0].id))

    async def sweep(self, now: int) -> None:
        """Remove what imports have left that a crash has ended; they began `IMPORT_MS` ago or earlier."""
        entries: Reply = await self._client.retry(lambda: self._client.redis.hgetall(self._keys.imports))
        for name, entry in entries.items():
            if orjson.loads(entry)["at"] <= now - IMPORT_MS:
                await self._remove(name.decode())

    async def _note(self, root: Copy, below: Sequence[Copy], now: int) -> None:
        names = [[copy.conversation_id, copy.id] for copy in (root, *below)]
        entry = orjson.dumps({"at": now, "head": root.head, "root": names[0], "below": names[1:]})
        await self._client.retry(lambda: self._client.redis.hset(self._keys.imports, root.id, entry))

    async def _remove(self, name: str) -> None:
        """Remove the conversations of an import, unless its root is there: then they are all there."""
        found: Reply = await self._client.retry(lambda: self._client.redis.hget(self._keys.imports, name))
        if found is None:
            return
        entry = orjson.loads(found)
        await self._client.retry(lambda: self._client.redis.unlink(entry["head"]))  # it cannot be committed any more
        if not await self._is_there(*entry["root"]):
            for conversation_id, copy_id in entry["below"]:
                if await self._is_there(conversation_id, copy_id):
                    with suppress(ConversationNotFound):
                        await self._registry.delete(conversation_id)
        await self._client.retry(lambda: self._client.redis.hdel(self._keys.imports, name))

    async def _is_there(self, conversation_id: str, copy_id: str) -> bool:
        found = await self._registry.get_many([conversation_id])
        return bool(found) and found[0].copy == copy_id

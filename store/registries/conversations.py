"""The register of conversations: created, looked up, listed by owner, renamed, deleted, left unfinished."""

import secrets
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial

from store.client.client import Argument, Client, Reply
from store.client.script import ADOPT, CREATE, DELETE, DISOWN, RENAME
from store.errors import ConversationExists, ConversationNotFound
from store.keys import PARTITIONS, Keys
from store.log.archive_index import ArchiveIndex
from store.log.log import pairs
from store.records import ConversationMeta, Parent, Placement, decode_meta

# Spelled out here because inside the class `list` is the method.
Ids = list[str]
Page = tuple[list[ConversationMeta], str | None]
Entries = list[tuple[str, int]]
Metas = list[ConversationMeta]
PerhapsMetas = list[ConversationMeta | None]
Children = list[tuple[str, str, ConversationMeta | None]]


ARCHIVED = 2
"""What a deletion answers if the archive may hold something of the conversation."""


class Registry:
    """Knows every conversation by its metadata; never reads a log."""

    def __init__(self, client: Client, keys: Keys, archived: ArchiveIndex) -> None:
        self._client = client
        self._keys = keys
        self._archived = archived

    async def create(
        self,
        conversation_id: str,
        *,
        agent: str,
        principal: str,
        channel: str = "web",
        title: str | None = None,
        parent: Parent | None = None,
        placement: Placement | None = None,
        now: int,
    ) -> ConversationMeta:
        """Register a new conversation with an empty log; a child is listed at its parent, not at its owner.

        Raises ConversationExists, and ConversationNotFound when the parent is gone.
        """
        fields: list[Argument] = ["agent", agent, "principal", principal, "channel", channel]
        if title is not None:
            fields += ["title", title]
        if placement is not None:
            fields += ["placement", placement]
        if parent is None:
            meta = await self._create(conversation_id, fields, now)
            await self.touch(principal, conversation_id, now)
            return meta
        fields += ["parent", parent.conversation_id, "parent_call", parent.tool_call_id, "parent_seq", parent.seq]
        fields += ["root", parent.root, "depth", parent.depth]
        # Listed before it exists, so that a crash in between leaves no child that nobody knows.
        mark = secrets.token_hex(8)
        await self._adopt(parent, conversation_id, f"?{mark}")
        meta = await self._create(conversation_id, fields, now)
        try:
            # And again, because the parent may have been deleted meanwhile with all the children it had.
            await self._adopt(parent, conversation_id, f"!{mark}")
        except ConversationNotFound:
            await self.delete(conversation_id)
            raise
        return meta

    async def get(self, conversation_id: str) -> ConversationMeta:
        """Raises ConversationNotFound."""
        meta_key = self._keys.conversation(conversation_id).meta
        fields: Reply = await self._client.ask(lambda: self._client.redis.hgetall(meta_key))
        if not fields:
            raise ConversationNotFound(conversation_id)
        return decode_meta(conversation_id, fields)

    async def list(self, principal: str, *, limit: int, before: str | None = None) -> Page:
        """A page of a principal's conversations, latest activity first, and the cursor of the next page.

        The cursor is opaque; None says that this was the last page. Entries of conversations that do not
        exist any more, or are children, are left out and removed, so a page may be shorter than `limit` and
        not the last.
        Raises ValueError for a cursor that was not given out here.
        """
        owner_key = self._keys.owner(principal)
        entries = await self._entries(owner_key, limit + 1, before)
        page = entries[:limit]
        metas = await self._metas([conversation_id for conversation_id, _ in page])
        foreign = [member for (member, _), meta in zip(page, metas, strict=True) if not meta or meta.parent]
        await self._forget(owner_key, foreign)
        cursor = f"{page[-1][1]}:{page[-1][0]}" if len(entries) > limit else None
        return [meta for meta in metas if meta and not meta.parent], cursor

    async def children(self, conversation_id: str) -> Metas:
        """The conversations that this one has started, oldest first."""
        found = [meta for _, _, meta in await self._listed_children(conversation_id) if meta]
        return sorted(found, key=lambda meta: (meta.created_at, meta.id))

    async def rename(self, conversation_id: str, title: str, now: int) -> None:
        """Set the title. Raises ConversationNotFound."""
        await self._title(conversation_id, title, now, only_if_none=False)

    async def set_title_if_absent(self, conversation_id: str, title: str, now: int) -> bool:
        """Set the title if there is none, and tell whether it was set. Raises ConversationNotFound."""
        return await self._title(conversation_id, title, now, only_if_none=True)

    async def touch(self, principal: str, conversation_id: str, now: int) -> None:
        """Note activity in the principal's index, which also heals an index that lost the entry."""
        owner_key = self._keys.owner(principal)
        await self._client.ask(lambda: self._client.redis.zadd(owner_key, {conversation_id: now}, gt=True))

    async def delete(self, conversation_id: str) -> None:
        """Remove every trace of a conversation and of its children; their writers find them gone.

        A crash in between leaves what can be deleted again. Raises ConversationNotFound, and ArchiveUnavailable.
        """
        meta = await self.get(conversation_id)
        mark = await self._mark(meta)
        if meta.archived_seq is not None:  # first, while it is known that there is something
            await self._archived.drop(conversation_id)
        if meta.parent is None:
            owner_key = self._keys.owner(meta.principal)
            await self._client.ask(lambda: self._client.redis.zrem(owner_key, conversation_id))
        own = self._own(conversation_id)
        while True:  # another child may come while the known ones go
            words = [conversation_id, *await self._delete_children(conversation_id)]
            deleted: Reply = await self._client.ask(partial(self._client.change, DELETE, own, words))
            if deleted:
                break
        if deleted == ARCHIVED:  # and again, since its writer may just have moved some more
            await self._archived.drop(conversation_id)
        if meta.parent is not None and mark is not None:
            children_key = self._keys.conversation(meta.parent).children
            await self._client.ask(lambda: self._client.run(DISOWN, [children_key], [conversation_id, mark]))

    async def unfinished(self, due_before: int, limit: int) -> Ids:
        """Ids of at most `limit` conversations with an unfinished turn due by then (ms), oldest first."""

        async def ask_all_partitions() -> Reply:
            pipeline = self._client.pipeline()
            for partition in range(PARTITIONS):
                key = self._keys.unfinished(partition)
                pipeline.zrangebyscore(key, "-inf", due_before, start=0, num=limit, withscores=True)
            return await pipeline.execute()

        answers = await self._client.ask(ask_all_partitions)
        due = sorted((score, member) for answer in answers for member, score in answer)
        return [member.decode() for _, member in due[:limit]]

    async def _create(self, conversation_id: str, fields: Sequence[Argument], now: int) -> ConversationMeta:
        meta_key = self._keys.conversation(conversation_id).meta
        arguments: Sequence[Argument] = [secrets.token_hex(8), now, *fields]
        flat = await self._client.ask(lambda: self._client.change(CREATE, [meta_key], arguments))
        if not flat:
            raise ConversationExists(conversation_id)
        return decode_meta(conversation_id, pairs(flat))

    async def _adopt(self, parent: Parent, conversation_id: str, mark: str) -> None:
        keys = self._keys.conversation(parent.conversation_id)
        names = [keys.meta, keys.children]
        if not await self._client.ask(lambda: self._client.change(ADOPT, names, [conversation_id, mark])):
            raise ConversationNotFound(parent.conversation_id)

    async def _mark(self, meta: ConversationMeta) -> str | None:
        """The mark of a child in the list of its parent."""
        if meta.parent is None:
            return None
        children_key = self._keys.conversation(meta.parent).children
        mark: Reply = await self._client.ask(lambda: self._client.redis.hget(children_key, meta.id))
        return None if mark is None else str(mark.decode())

    async def _listed_children(self, conversation_id: str) -> Children:
        """Id, mark, and then what is known: None for one that does not exist (yet, or any more), or is another's."""
        key = self._keys.conversation(conversation_id).children
        listed: Reply = await self._client.ask(lambda: self._client.redis.hgetall(key))
        names = [name.decode() for name in listed]
        metas = await self._metas(names)
        own = [meta if meta and meta.parent == conversation_id else None for meta in metas]
        marks = [mark.decode() for mark in listed.values()]
        return list(zip(names, marks, own, strict=True))

    async def _delete_children(self, conversation_id: str) -> Ids:
        """Delete the children there are; return id and mark of those that are none."""
        strangers: Ids = []
        for name, mark, meta in await self._listed_children(conversation_id):
            if meta is None:
                strangers += [name, mark]
                continue
            with suppress(ConversationNotFound):  # somebody else was faster
                await self.delete(name)
        return strangers

    def _own(self, conversation_id: str) -> Ids:
        """All keys of a conversation, in the order of its deletion."""
        keys = self._keys.conversation(conversation_id)
        files = (keys.files.files, keys.files.contents, keys.files.totals)
        return [
            keys.meta,
            keys.unfinished,
            keys.children,
            keys.log,
            keys.clients,
            keys.segments,
            keys.usage,
            keys.model_calls,
            *files,
        ]

    async def _title(self, conversation_id: str, title: str, now: int, *, only_if_none: bool) -> bool:
        meta_key = self._keys.conversation(conversation_id).meta
        arguments: Sequence[Argument] = [title, now, int(only_if_none)]
        answer = await self._client.ask(lambda: self._client.change(RENAME, [meta_key], arguments))
        if answer is None:
            raise ConversationNotFound(conversation_id)
        was_set, principal, parent = answer
        if was_set and parent is None:
            await self.touch(principal.decode(), conversation_id, now)
        return bool(was_set)

    async def places(self, conversation_ids: Sequence[str], besides: Collection[str] = ()) -> dict[str, str | None]:
        """Where the last writer of each of these conversations lived.

        Those that do not exist are left out, and those whose writer lived in one of the clusters `besides`.
        """
        if not conversation_ids:
            return {}

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for conversation_id in conversation_ids:
                pipeline.hmget(self._keys.conversation(conversation_id).meta, "epoch", "place", "cluster")
            return await pipeline.execute()

        answers = zip(conversation_ids, await self._client.ask(ask_all), strict=True)
        return {
            key: place and place.decode()
            for key, (epoch, place, cluster) in answers
            if epoch is not None and (cluster or b"").decode() not in besides
        }

    async def get_many(self, conversation_ids: Sequence[str]) -> Metas:
        """All that is known of these conversations; those that do not exist are left out."""
        return [meta for meta in await self._metas(conversation_ids) if meta is not None]

    async def _entries(self, owner_key: str, count: int, before: str | None) -> Entries:
        """`count` entries (id, time) after the cursor; equal times are ordered by id, as Redis does."""
        newest, _, last_id = before.partition(":") if before else ("+inf", "", "")
        if before and not newest.isdecimal():
            raise ValueError(f"{before!r} is not a cursor")
        found: Entries = []
        offset = 0
        while len(found) < count:
            chunk = await self._chunk(owner_key, newest, offset, count)
            entries = [(member.decode(), int(score)) for member, score in chunk]
            found += [entry for entry in entries if not before or _follows(entry, int(newest), last_id)]
            offset += len(chunk)
            if len(chunk) < count:
                break
        return found[:count]

    async def _chunk(self, owner_key: str, newest: str, offset: int, count: int) -> Reply:
        return await self._client.ask(
            lambda: self._client.redis.zrevrangebyscore(
                owner_key, newest, "-inf", start=offset, num=count, withscores=True
            )
        )

    async def _metas(self, conversation_ids: Sequence[str]) -> PerhapsMetas:
        if not conversation_ids:
            return []

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for conversation_id in conversation_ids:
                pipeline.hgetall(self._keys.conversation(conversation_id).meta)
            return await pipeline.execute()

        hashes = await self._client.ask(ask_all)
        named = zip(conversation_ids, hashes, strict=True)
        return [decode_meta(conversation_id, fields) if fields else None for conversation_id, fields in named]

    async def _forget(self, owner_key: str, conversation_ids: Sequence[str]) -> None:
        if conversation_ids:
            await self._client.ask(lambda: self._client.redis.zrem(owner_key, *conversation_ids))


def _follows(entry: tuple[str, int], cursor_time: int, cursor_id: str) -> bool:
    conversation_id, at = entry
    return at < cursor_time or conversation_id.encode() < cursor_id.encode()

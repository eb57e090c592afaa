"""Looks conversations up: by id, by owner, by parent, by an unfinished turn."""

from collections.abc import Collection, Sequence

from store.client.client import Client, Reply
from store.errors import ConversationNotFound
from store.keys import PARTITIONS, Keys
from store.records import ConversationMeta, decode_meta

# Named here because inside the class `list` is the method.
Ids = list[str]
MetaPage = tuple[list[ConversationMeta], str | None]
Entries = list[tuple[str, int]]
Metas = list[ConversationMeta]
PerhapsMetas = list[ConversationMeta | None]
Children = list[tuple[str, str, ConversationMeta | None]]


class ConversationLookup:
    """Finds conversations by their metadata; never reads a log. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def get(self, conversation_id: str) -> ConversationMeta:
        """Raises ConversationNotFound."""
        meta_key = self._keys.conversation(conversation_id).meta
        fields: Reply = await self._client.retry(lambda: self._client.redis.hgetall(meta_key))
        if not fields:
            raise ConversationNotFound(conversation_id)
        return decode_meta(conversation_id, fields)

    async def get_many(self, conversation_ids: Sequence[str]) -> Metas:
        """The metadata of these conversations; conversations that do not exist are left out."""
        return [meta for meta in await self._metas(conversation_ids) if meta is not None]

    async def list(self, principal: str, *, limit: int, before: str | None = None) -> MetaPage:
        """A page of a principal's conversations, latest activity first, and the cursor of the next page.

        The cursor is opaque; None says that this was the last page. Entries of children, and of conversations that do
        not exist any more, are left out and removed, so a page may be shorter than `limit` and not the last. Raises
        ValueError for a cursor that this method did not return.
        """
        owner_key = self._keys.owner(principal)
        entries = await self._entries(owner_key, limit + 1, before)
        page = entries[:limit]
        metas = await self._metas([conversation_id for conversation_id, _ in page])
        leftover = [member for (member, _), meta in zip(page, metas, strict=True) if not meta or meta.parent]
        await self._remove_entries(owner_key, leftover)
        cursor = f"{page[-1][1]}:{page[-1][0]}" if len(entries) > limit else None
        return [meta for meta in metas if meta and not meta.parent], cursor

    async def children(self, conversation_id: str) -> Metas:
        """The conversations that this one has started, oldest first."""
        found = [meta for _, _, meta in await self._list_children(conversation_id) if meta]
        return sorted(found, key=lambda meta: (meta.created_at, meta.id))

    async def places(self, conversation_ids: Sequence[str], besides: Collection[str] = ()) -> dict[str, str | None]:
        """The place of the last writer of each of these conversations.

        Left out are conversations that do not exist, and those whose writer lived in one of the clusters `besides`.
        """
        if not conversation_ids:
            return {}

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for conversation_id in conversation_ids:
                pipeline.hmget(self._keys.conversation(conversation_id).meta, "epoch", "place", "cluster")
            return await pipeline.execute()

        answers = zip(conversation_ids, await self._client.retry(ask_all), strict=True)
        return {
            key: place and place.decode()
            for key, (epoch, place, cluster) in answers
            if epoch is not None and (cluster or b"").decode() not in besides
        }

    async def unfinished(self, due_before: int, limit: int) -> Ids:
        """Ids of at most `limit` conversations with an unfinished turn due by then (ms), oldest first."""

        async def ask_all_partitions() -> Reply:
            pipeline = self._client.pipeline()
            for partition in range(PARTITIONS):
                key = self._keys.unfinished(partition)
                pipeline.zrangebyscore(key, "-inf", due_before, start=0, num=limit, withscores=True)
            return await pipeline.execute()

        answers = await self._client.retry(ask_all_partitions)
        due = sorted((score, member) for answer in answers for member, score in answer)
        return [member.decode() for _, member in due[:limit]]

    async def _list_children(self, conversation_id: str) -> Children:
        """Id, mark and metadata of each entry; None if it does not exist (yet, or any more), or has another parent."""
        key = self._keys.conversation(conversation_id).children
        listed: Reply = await self._client.retry(lambda: self._client.redis.hgetall(key))
        names = [name.decode() for name in listed]
        metas = await self._metas(names)
        own = [meta if meta and meta.parent == conversation_id else None for meta in metas]
        marks = [mark.decode() for mark in listed.values()]
        return list(zip(names, marks, own, strict=True))

    async def _entries(self, owner_key: str, count: int, before: str | None) -> Entries:
        """`count` entries (id, time) after the cursor; equal times are ordered by id, as Redis orders them."""
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
        return await self._client.retry(
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

        hashes = await self._client.retry(ask_all)
        named = zip(conversation_ids, hashes, strict=True)
        return [decode_meta(conversation_id, fields) if fields else None for conversation_id, fields in named]

    async def _remove_entries(self, owner_key: str, conversation_ids: Sequence[str]) -> None:
        if conversation_ids:
            await self._client.retry(lambda: self._client.redis.zrem(owner_key, *conversation_ids))


def _follows(entry: tuple[str, int], cursor_time: int, cursor_id: str) -> bool:
    conversation_id, at = entry
    return at < cursor_time or conversation_id.encode() < cursor_id.encode()

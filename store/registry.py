"""The register of conversations: created, looked up, listed by owner, renamed, deleted, left unfinished."""

import secrets
from collections.abc import Sequence

from store.client import Argument, Client, Reply
from store.errors import ConversationExists, ConversationNotFound
from store.keys import PARTITIONS, Keys
from store.log import pairs
from store.records import ConversationMeta, decode_meta
from store.script import CREATE, DELETE, RENAME

# Spelled out here because inside the class `list` is the method.
Ids = list[str]
Page = tuple[list[ConversationMeta], str | None]
Entries = list[tuple[str, int]]
Metas = list[ConversationMeta | None]


class Registry:
    """Knows every conversation by its metadata; never reads a log."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def create(
        self,
        conversation_id: str,
        *,
        agent: str,
        principal: str,
        channel: str = "web",
        title: str | None = None,
        now: int,
    ) -> ConversationMeta:
        """Register a new conversation with an empty log. Raises ConversationExists."""
        meta_key = self._keys.conversation(conversation_id).meta
        fields = ["agent", agent, "principal", principal, "channel", channel]
        if title is not None:
            fields += ["title", title]
        arguments: Sequence[Argument] = [secrets.token_hex(8), now, *fields]
        flat = await self._client.ask(lambda: self._client.run(CREATE, [meta_key], arguments))
        if not flat:
            raise ConversationExists(conversation_id)
        await self.touch(principal, conversation_id, now)
        return decode_meta(conversation_id, pairs(flat))

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
        exist any more are left out and removed, so a page may be shorter than `limit` and not the last.
        Raises ValueError for a cursor that was not given out here.
        """
        owner_key = self._keys.owner(principal)
        entries = await self._entries(owner_key, limit + 1, before)
        page = entries[:limit]
        metas = await self._metas([conversation_id for conversation_id, _ in page])
        dangling = [member for (member, _), meta in zip(page, metas, strict=True) if not meta]
        await self._forget(owner_key, dangling)
        cursor = f"{page[-1][1]}:{page[-1][0]}" if len(entries) > limit else None
        return [meta for meta in metas if meta], cursor

    async def rename(self, conversation_id: str, title: str, now: int) -> None:
        """Set the title. Raises ConversationNotFound."""
        meta_key = self._keys.conversation(conversation_id).meta
        principal = await self._client.ask(lambda: self._client.run(RENAME, [meta_key], [title, now]))
        if principal is None:
            raise ConversationNotFound(conversation_id)
        await self.touch(principal.decode(), conversation_id, now)

    async def touch(self, principal: str, conversation_id: str, now: int) -> None:
        """Note activity in the principal's index, which also heals an index that lost the entry."""
        owner_key = self._keys.owner(principal)
        await self._client.ask(lambda: self._client.redis.zadd(owner_key, {conversation_id: now}, gt=True))

    async def delete(self, conversation_id: str) -> None:
        """Remove every trace of a conversation; its writer finds it gone. Raises ConversationNotFound."""
        meta = await self.get(conversation_id)
        owner_key = self._keys.owner(meta.principal)
        keys = self._keys.conversation(conversation_id)
        # The index first: a crash in between leaves what can be deleted again, not a dangling entry.
        await self._client.ask(lambda: self._client.redis.zrem(owner_key, conversation_id))
        own = [keys.log, keys.meta, keys.clients, keys.unfinished]
        await self._client.ask(lambda: self._client.run(DELETE, own, [conversation_id]))

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

    async def _metas(self, conversation_ids: Sequence[str]) -> Metas:
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

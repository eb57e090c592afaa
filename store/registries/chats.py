"""The record of every chat of a channel: what was accepted and how far its answer is, and which updates are known."""

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from store.client.client import Client, Reply
from store.client.script import COMMIT_CHAT, Argument
from store.keys import Keys
from store.registries.newest import newest

SEEN_MS = 3 * 86_400_000
"""For so long an update is known, and not taken again."""
KEPT_MS = 366 * 86_400_000
"""So long after its last change a chat is forgotten; its conversation stays."""
ORPHAN_MS = 60_000
"""An entry of the list that has had no record for so long was left by a process that died before it made the record."""


@dataclass(frozen=True, slots=True)
class ChatRecord:
    """`state` is JSON, opaque here. Each change raises `revision` by one; 0: it is yet to be made."""

    id: str
    channel: str
    chat: str
    state: bytes = b""
    updated_at: int = 0
    revision: int = 0


class Chats:
    """Keeps the records. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def read(self, channel: str, chat: str, updates: Sequence[str] = ()) -> tuple[ChatRecord, frozenset[str]]:
        """The chat, revision 0 if there is none yet; and which of these updates it knows."""
        chat_id = self._keys.chat_id(channel, chat)
        names = self._keys.chat(chat_id)

        async def ask_both() -> Reply:
            # The record first: an update that comes in between is then refused by its revision.
            pipeline = self._client.pipeline()
            pipeline.hgetall(names.record)
            for update in updates:
                pipeline.zscore(names.seen, update)
            return await pipeline.execute()

        fields, *scores = await self._client.retry(ask_both)
        seen = frozenset(update for update, score in zip(updates, scores, strict=True) if score is not None)
        return (_decode(chat_id, fields) if fields else ChatRecord(chat_id, channel, chat)), seen

    async def get(self, chat_id: str) -> ChatRecord | None:
        """The chat with this id, if there is one."""
        return next(iter(await self.get_many([chat_id])), None)

    async def get_many(self, chat_ids: Sequence[str]) -> builtins.list[ChatRecord]:
        """The chats of these ids that are there, in this order."""
        if not chat_ids:
            return []

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for chat_id in chat_ids:
                pipeline.hgetall(self._keys.chat(chat_id).record)
            return await pipeline.execute()

        found = zip(chat_ids, await self._client.retry(ask_all), strict=True)
        return [_decode(chat_id, fields) for chat_id, fields in found if fields]

    async def commit(self, record: ChatRecord, state: bytes, now: int, updates: Sequence[str] = ()) -> bool:
        """Write the state, and that these updates are known, if the revision is still the one in `record`.

        False: something else was decided meanwhile, or by this very call, if its answer was lost; read it anew.
        """
        names = self._keys.chat(record.id)
        if record.revision == 0:  # listed first: so what is accepted can be found
            await self._client.retry(lambda: self._client.redis.zadd(self._keys.chats, {record.id: now}))
        arguments: list[Argument] = [
            str(record.revision),
            now,
            SEEN_MS,
            KEPT_MS,
            record.channel,
            record.chat,
            state,
            *updates,
        ]
        return bool(await self._client.retry(lambda: self._client.run_confirmed(COMMIT_CHAT, names.all, arguments)))

    async def list(
        self, *, limit: int, before: tuple[int, str] | None = None, now: int
    ) -> tuple[builtins.list[ChatRecord], tuple[int, str] | None]:
        """A page of all chats, the newest first; and where the next page begins."""
        page, following = await newest(self._client, self._keys.chats, limit, before)
        found = await self.get_many([chat_id for _, chat_id in page])
        known = {record.id for record in found}
        orphans = [chat_id for at, chat_id in page if chat_id not in known and at < now - ORPHAN_MS]
        if orphans:
            await self._client.retry(lambda: self._client.redis.zrem(self._keys.chats, *orphans))
        return found, following


def _decode(chat_id: str, fields: Mapping[bytes, bytes]) -> ChatRecord:
    return ChatRecord(
        id=chat_id,
        channel=fields[b"channel"].decode(),
        chat=fields[b"chat"].decode(),
        state=fields[b"state"],
        updated_at=int(fields[b"updated_at"]),
        revision=int(fields[b"revision"]),
    )

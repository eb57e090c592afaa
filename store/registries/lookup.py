"""Looks conversations up: by id, by list, by parent, by an unfinished turn."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence

from store.client.client import Client, Reply
from store.errors import ConversationNotFound
from store.keys import PARTITIONS, Keys
from store.records import ConversationMeta, decode_meta
from store.registries.lists import Lists, Position, Sort, lists_of, title_key

MAX_EXAMINED = 1000
"""How many conversations one page looks at, however few of them are shown."""
MIN_CHUNK = 100
"""How many are looked at at once where not all are shown."""

# Named here because inside the class `list` is the method.
Ids = list[str]
MetaPage = tuple[list[ConversationMeta], Position | None]
Metas = list[ConversationMeta]
PerhapsMetas = list[ConversationMeta | None]
Select = Callable[[Sequence[ConversationMeta]], Awaitable[Sequence[bool]]]
Children = list[tuple[str, str, ConversationMeta | None]]


class ConversationLookup:
    """Finds conversations by their metadata; never reads a log. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys, lists: Lists) -> None:
        self._client = client
        self._keys = keys
        self._lists = lists

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

    async def list(
        self,
        name: str,
        *,
        limit: int,
        sort: Sort = "updated",
        descending: bool = True,
        after: Position | None = None,
        select: Select | None = None,
        max_examined: int = MAX_EXAMINED,
    ) -> MetaPage:
        """A page of a list (see store/registries/lists.py), and where the next one begins.

        None says that this was the last page. `select` is given metadata in the order of the list, and says for each
        whether it is shown; it may answer for fewer, and then the page ends there. A page has what was found among
        `max_examined` conversations, so it may be shorter than `limit`, or empty, and not the last. Entries without a
        conversation behind them, and of conversations that do not belong in the list, are left out and removed.
        """
        found: Metas = []
        position, examined = after, 0
        while True:
            count = min(max(limit - len(found), MIN_CHUNK if select else 0), max_examined - examined) + 1
            entries = await self._lists.entries(name, sort, count, descending=descending, after=position)
            metas = await self._metas([entry.id for entry in entries])
            own = [meta if meta and _belongs(meta, at, name, sort) else None for at, meta in _pairs(entries, metas)]
            await self._lists.remove_entries(name, sort, [at for at, meta in _pairs(entries, own) if not meta])
            listed = [meta for meta in own if meta is not None]
            shown = iter([True] * len(listed) if select is None else await select(listed))
            for entry, meta in _pairs(entries, own):
                if len(found) == limit or examined == max_examined:
                    return found, position
                if meta is not None:
                    is_shown = next(shown, None)
                    if is_shown is None:
                        return found, position
                    found += [meta] * is_shown
                position, examined = entry, examined + 1
            if len(entries) < count:
                return found, None

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

    async def place_of_writer(self, conversation_id: str) -> str | None:
        """The place of the last writer, unless it has noted its end or cannot be reached."""
        meta_key = self._keys.conversation(conversation_id).meta
        reply: Reply = await self._client.retry(lambda: self._client.redis.hmget(meta_key, ["place", "exit"]))
        place, end = reply
        return None if place is None or end is not None else str(place.decode())

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

    async def count_unfinished(self) -> int:
        """How many conversations have a turn that is not over."""

        async def ask_all_partitions() -> Reply:
            pipeline = self._client.pipeline()
            for partition in range(PARTITIONS):
                pipeline.zcard(self._keys.unfinished(partition))
            return await pipeline.execute()

        return sum(await self._client.retry(ask_all_partitions))

    async def _list_children(self, conversation_id: str) -> Children:
        """Id, mark and metadata of each entry; None if it does not exist (yet, or any more), or has another parent."""
        key = self._keys.conversation(conversation_id).children
        listed: Reply = await self._client.retry(lambda: self._client.redis.hgetall(key))
        names = [name.decode() for name in listed]
        metas = await self._metas(names)
        own = [meta if meta and meta.parent == conversation_id else None for meta in metas]
        marks = [mark.decode() for mark in listed.values()]
        return list(zip(names, marks, own, strict=True))

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


def _pairs(entries: Sequence[Position], metas: PerhapsMetas) -> Iterator[tuple[Position, ConversationMeta | None]]:
    return zip(entries, metas, strict=True)


def _belongs(meta: ConversationMeta, entry: Position, name: str, sort: Sort) -> bool:
    """Whether the entry stands for this conversation as it is now."""
    return name in lists_of(meta) and (sort != "title" or entry.key == title_key(meta.title))

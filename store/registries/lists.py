"""The lists of conversations: of a principal, of a tenant, of all; each in three orders, whose entries are ids."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from store.client.client import Client, Pipeline, Reply
from store.client.script import LIST_ENTRIES, REMOVE_ENTRIES, Argument
from store.keys import Keys
from store.principals import tenant_of
from store.records import ConversationMeta

Sort = Literal["updated", "created", "title"]
ALL: Final = "all"
"""The list of all conversations."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where an entry stands in its order: `key` is its time (ms), or its title as titles are ordered."""

    key: str
    id: str


def of_principal(principal: str) -> str:
    """The list of what a principal owns or is a member of."""
    return f"owner:{principal}"


def of_tenant(tenant: str) -> str:
    """The list of what the principals of a tenant own."""
    return f"tenant:{tenant}"


def lists_of(meta: ConversationMeta) -> tuple[str, ...]:
    """In which lists a conversation is; a child is in none."""
    if meta.parent is not None:
        return ()
    return (*map(of_principal, meta.members), *lists_of_owner(meta.principal))


def lists_of_owner(owner: str) -> tuple[str, ...]:
    """In which lists all conversations of an owner are."""
    tenant = tenant_of(owner)
    return (of_principal(owner), ALL) if tenant is None else (of_principal(owner), of_tenant(tenant), ALL)


def title_key(title: str | None) -> str:
    """By what titles are ordered: without regard to case; what has no title comes last."""
    return "1" if title is None else "0" + unicodedata.normalize("NFKC", title).casefold().replace("\0", " ")


class Lists:
    """Keeps and reads the lists, which are caches: what counts is each conversation's metadata.

    Every call may raise StoreUnavailable.
    """

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def put(
        self, metas: Iterable[ConversationMeta], at: int | None = None, names: Sequence[str] | None = None
    ) -> None:
        """Enter conversations into all of their lists, or those named; `at` (ms) is when they were active last.

        Without that it is when they were updated last.
        """
        known = list(metas)

        def put_all(pipeline: Pipeline) -> None:
            for meta in known:
                for name in lists_of(meta) if names is None else names:
                    orders = self._keys.list(name)
                    pipeline.zadd(orders.updated, {meta.id: meta.updated_at if at is None else at}, gt=True)
                    pipeline.zadd(orders.created, {meta.id: meta.created_at})
                    pipeline.zadd(orders.titles, {title_entry(meta.title, meta.id): 0})

        await self._together(put_all)
        await self.remove_gone(known, names)

    async def remove_gone(self, metas: Sequence[ConversationMeta], names: Sequence[str] | None = None) -> None:
        """Remove what was entered of conversations that were deleted meanwhile: titles are not to outlive them.

        A deletion removes what was entered before its end; so one of the two does it.
        """

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for meta in metas:
                pipeline.exists(self._keys.conversation(meta.id).meta)
            return await pipeline.execute()

        answers = await self._client.retry(ask_all) if metas else []
        for meta, is_there in zip(metas, answers, strict=True):
            if not is_there:
                await self.remove(lists_of(meta) if names is None else names, meta)

    async def touch(self, principal: str, conversation_id: str, now: int) -> None:
        """Note activity in the owner's list; this also restores an entry that was lost."""
        key = self._keys.list(of_principal(principal)).updated
        await self._client.retry(lambda: self._client.redis.zadd(key, {conversation_id: now}, gt=True))

    async def touch_shared(self, members: Iterable[str], conversation_id: str, now: int) -> None:
        """Note activity in the list of each member that has the conversation in it."""
        for member in members:
            key = self._keys.list(of_principal(member)).updated
            await self._client.retry(partial(self._client.redis.zadd, key, {conversation_id: now}, xx=True, gt=True))

    async def touch_many(self, activity: Mapping[str, Mapping[str, int]]) -> None:
        """Note for each list when (ms) which conversations were active, as far as it has them."""

        def touch_all(pipeline: Pipeline) -> None:
            for name, times in activity.items():
                pipeline.zadd(self._keys.list(name).updated, times, xx=True, gt=True)

        if activity:
            await self._together(touch_all)

    async def drop_title(self, names: Iterable[str], conversation_id: str, title: str | None) -> None:
        """Remove what a conversation had in the order of titles while its title was this one."""
        entry = title_entry(title, conversation_id)
        await self._together(lambda pipeline: [pipeline.zrem(self._keys.list(name).titles, entry) for name in names])

    async def remove(self, names: Iterable[str], meta: ConversationMeta) -> None:
        """Remove a conversation from these lists."""

        def remove_all(pipeline: Pipeline) -> None:
            for name in names:
                orders = self._keys.list(name)
                pipeline.zrem(orders.updated, meta.id)
                pipeline.zrem(orders.created, meta.id)
                pipeline.zrem(orders.titles, title_entry(meta.title, meta.id))

        await self._together(remove_all)

    async def passes(self) -> int:
        """How often the lists have been made of all conversations."""
        return int(await self._client.retry(lambda: self._client.redis.get(self._keys.lists_made)) or 0)

    async def note_pass(self) -> None:
        """Note that they have been made once more."""
        await self._client.retry(lambda: self._client.redis.incr(self._keys.lists_made))

    async def entries(
        self, name: str, sort: Sort, count: int, *, descending: bool, after: Position | None = None
    ) -> list[Position]:
        """The first `count` entries after that position; entries of the same key are ordered by id."""
        key = self._order(name, sort)
        if sort == "title":
            return [_parse_title_entry(found) for found in await self._by_title(key, count, descending, after)]
        start = ["", ""] if after is None else [after.key, after.id]
        arguments: list[Argument] = [count, int(descending), *start]
        flat: Reply = await self._client.retry(lambda: self._client.run(LIST_ENTRIES, [key], arguments))
        return [Position(at.decode(), found.decode()) for found, at in zip(flat[::2], flat[1::2], strict=True)]

    async def remove_entries(self, name: str, sort: Sort, entries: Sequence[Position]) -> None:
        """Remove entries that have no conversation behind them from this order, unless they have changed meanwhile."""
        if not entries:
            return
        key, arguments = self._order(name, sort), list[Argument]()
        for entry in entries:
            arguments += (_bytes(entry), 0) if sort == "title" else (entry.id, entry.key)
        await self._client.retry(lambda: self._client.run(REMOVE_ENTRIES, [key], arguments))

    def _order(self, name: str, sort: Sort) -> str:
        orders = self._keys.list(name)
        return {"updated": orders.updated, "created": orders.created, "title": orders.titles}[sort]

    async def _by_title(self, key: str, count: int, descending: bool, after: Position | None) -> Sequence[bytes]:
        start = None if after is None else b"(" + _bytes(after)
        redis = self._client.redis
        if descending:
            read = partial(redis.zrevrangebylex, key, start or b"+", "-", start=0, num=count)
        else:
            read = partial(redis.zrangebylex, key, start or b"-", "+", start=0, num=count)
        found: Reply = await self._client.retry(read)
        return [bytes(entry) for entry in found]

    async def _together(self, add_commands: Callable[[Pipeline], object]) -> None:
        async def execute() -> None:
            pipeline = self._client.pipeline()
            add_commands(pipeline)
            await pipeline.execute()

        await self._client.retry(execute)


def title_entry(title: str | None, conversation_id: str) -> str:
    """What a conversation has in the order of titles."""
    return _title_entry(title_key(title), conversation_id)


def _title_entry(key: str, conversation_id: str) -> str:
    return f"{key}\0{conversation_id}" if conversation_id else key


def _bytes(entry: Position) -> bytes:
    return _title_entry(entry.key, entry.id).encode(errors="surrogateescape")


def _parse_title_entry(entry: bytes) -> Position:
    key, _, conversation_id = entry.decode(errors="surrogateescape").partition("\0")  # without an id it is none of ours
    return Position(key, conversation_id)

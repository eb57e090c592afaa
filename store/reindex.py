"""Makes the indexes of conversations again from their metadata, while they are in use; nothing is missing meanwhile.

An entry is set right by comparison with what was read of it, in one step: what has changed since is as it should be.
"""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial

from store.client.client import Client, Reply
from store.client.script import REPAIR_CHILD, REPAIR_CLIENT_IDS, REPAIR_LIST, REPAIR_STATE, Argument
from store.keys import PARTITIONS, Keys
from store.records import ConversationMeta
from store.registries.conversations import Registry
from store.registries.lists import Lists, Position, Sort, lists_of, title_entry

BATCH = 100
SORTS: Sequence[Sort] = ("updated", "created", "title")
GLOB = re.compile(r"([*?\[\]\\^])")


class Reindex:
    """Finds all that there is by SCAN, on each primary of a cluster. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys, registry: Registry, lists: Lists) -> None:
        self._client = client
        self._keys = keys
        self._registry = registry
        self._lists = lists

    async def conversations(self) -> AsyncIterator[list[ConversationMeta]]:
        """All conversations, in batches; one that is created meanwhile may be left out, since it is in its indexes."""
        spelling = re.compile(re.escape(self._keys.prefix) + r":\{\d+\}:conversation:(.+):meta", re.DOTALL)
        async for names in self._scan("{*}:conversation:*:meta"):
            found = [match[1] for name in names if (match := spelling.fullmatch(name))]
            own = [name for name in found if self._keys.conversation(name).meta in names]
            for first in range(0, len(own), BATCH):
                yield await self._registry.get_many(own[first : first + BATCH])

    async def repair_lists(self, metas: Sequence[ConversationMeta]) -> None:
        """Enter these conversations in their lists as their metadata says, at the time of their last change."""
        places = [(name, meta.id) for meta in metas for name in lists_of(meta)]
        scores = dict(zip(places, await self._scores(places), strict=True))
        changes: defaultdict[str, list[Argument]] = defaultdict(list)
        for meta in await self._registry.get_many([meta.id for meta in metas]):  # read after the scores
            for name in lists_of(meta):
                if (name, meta.id) in scores:
                    entry = title_entry(meta.title, meta.id)
                    score = scores[name, meta.id] or b""
                    changes[name] += (meta.id, score, meta.updated_at, meta.created_at, entry)
        for name, arguments in changes.items():
            orders = self._keys.list(name)
            names = [orders.updated, orders.created, orders.titles]
            await self._client.retry(partial(self._client.run, REPAIR_LIST, names, arguments))
        await self._lists.remove_gone(metas)

    async def remove_leftovers(self) -> int:
        """Walk all lists, which removes entries without a conversation behind them; return how many lists there are."""
        spelling = re.compile(re.escape(self._keys.prefix) + r":\{(.*)\}:conversations(?:_by_\w+)?", re.DOTALL)
        lists = {
            match[1]
            async for names in self._scan("{*}:conversations*")
            for name in names
            if (match := spelling.fullmatch(name))
        }
        for name in lists:
            for sort in SORTS:
                await self._walk(name, sort)
        return len(lists)

    async def repair_child(self, child: ConversationMeta) -> bool:
        """Enter a child in the list of its parent, and tell whether the parent is there."""
        if child.parent is None:
            return True
        keys = self._keys.conversation(child.parent)
        names = [keys.meta, keys.children]
        return bool(await self._client.retry(lambda: self._client.run(REPAIR_CHILD, names, [child.id, "!reindexed"])))

    async def repair_state(self, conversation_id: str, last_seq: int | None, state: bytes, due_at: int | None) -> None:
        """Set the cached state, and when the recovery sweep must look, unless the log has gone on behind `last_seq`.

        Of a conversation that is gone (None) what is left in the index goes.
        """
        keys = self._keys.conversation(conversation_id)
        expected: Argument = "" if last_seq is None else last_seq
        arguments: list[Argument] = [conversation_id, expected, state, "" if due_at is None else due_at]
        names = [keys.meta, keys.unfinished]
        await self._client.retry(lambda: self._client.run_confirmed(REPAIR_STATE, names, arguments))

    async def unfinished(self) -> AsyncIterator[list[str]]:
        """What the index of unfinished turns has, partition by partition; what belongs in another one is removed."""
        for partition in range(PARTITIONS):
            key = self._keys.unfinished(partition)
            found: Reply = await self._client.retry(partial(self._client.redis.zrange, key, 0, -1))
            names = [name.decode() for name in found]
            if strays := [name for name in names if self._keys.partition(name) != partition]:
                await self._client.retry(partial(self._client.redis.zrem, key, *strays))
            yield [name for name in names if name not in strays]

    async def repair_client_ids(self, conversation_id: str, first: int, last: int, ids: Mapping[str, int]) -> None:
        """Set what repeated commands find between two seqs, as far as the records are still in Redis."""
        keys = self._keys.conversation(conversation_id)
        arguments: list[Argument] = [first, last]
        for client_id, seq in ids.items():
            arguments += (client_id, seq)
        names = [keys.log, keys.clients]
        await self._client.retry(lambda: self._client.run_confirmed(REPAIR_CLIENT_IDS, names, arguments))

    async def drop_texts(self, metas: Sequence[ConversationMeta]) -> None:
        """Have the texts of these conversations made anew when they are next searched."""

        async def drop_all() -> None:
            pipeline = self._client.pipeline()
            for meta in metas:
                pipeline.unlink(self._keys.conversation(meta.id).text)
            await pipeline.execute()

        if metas:
            await self._client.retry(drop_all)

    async def repair_key_lists(self) -> int:
        """Enter all API keys in the lists of their tenants; return how many there are."""
        found = 0
        async for names in self._scan("api_key:*"):
            for name in names:
                tenant: Reply = await self._client.retry(partial(self._client.redis.hget, name, "tenant"))
                if tenant is not None:
                    index, key_id = self._keys.api_keys(tenant.decode()), name.rpartition(":")[2]
                    await self._client.retry(partial(self._client.redis.zadd, index, {key_id: 0}, nx=True))
                    found += 1
        return found

    async def _walk(self, name: str, sort: Sort) -> None:
        after: Position | None = None
        while True:
            _, after = await self._registry.list(name, limit=BATCH, sort=sort, after=after)
            if after is None:
                return

    async def _scores(self, places: Sequence[tuple[str, str]]) -> list[bytes | None]:
        if not places:
            return []

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for name, conversation_id in places:
                pipeline.zscore(self._keys.list(name).updated, conversation_id)
            return await pipeline.execute()

        return [None if score is None else str(score).encode() for score in await self._client.retry(ask_all)]

    async def _scan(self, pattern: str) -> AsyncIterator[set[str]]:
        """The keys below our prefix that match, a set of them at a time; a key may come again."""
        redis = self._client.redis
        match = GLOB.sub(r"\\\1", self._keys.prefix) + ":" + pattern
        targets: list[Mapping[str, Reply]] = [{}]
        if self._client.clustered:
            await self._client.retry(redis.initialize)
            targets = [{"target_nodes": node} for node in redis.get_primaries()]  # type: ignore[union-attr]
        for target in targets:
            cursor = 0
            while True:
                reply: Reply = await self._client.retry(
                    partial(redis.scan, cursor=cursor, match=match, count=10 * BATCH, **target)
                )
                cursors, names = reply
                if names:
                    yield {name.decode() for name in names}
                cursor = next(iter(cursors.values()), 0) if isinstance(cursors, dict) else cursors
                if not cursor:
                    break

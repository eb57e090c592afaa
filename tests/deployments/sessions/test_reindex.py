"""Every index made again from the logs: damaged one by one, and all are as they were, also while turns run."""

import asyncio
from typing import Any

import pytest

from agents.agent import Agent
from agents.conversation import Conversation
from agents.models import ScriptedModel, Step
from deployments.indexes.reindex import Reindexed, reindex
from store import Store
from store.records import Parent
from store.registries.lists import ALL, lists_of_owner
from tests.agents.conversation.test_old_receipts import asker, first_commands
from tests.support.access_service import make_key
from tests.support.conversations import World, rest, say
from tests.support.leaks import all_keys
from tests.support.writer import NOW

Contents = dict[bytes, Any]


async def contents(store: Store) -> Contents:
    """What the indexes have: each key that is one, with its content."""
    redis: Any = store._client.redis
    found: Contents = {}
    for key in await all_keys(redis):
        row = store.keys.row(key.decode())
        if row is None or row.name not in ("updated", "created", "titles", "unfinished", "children", "clients"):
            continue
        if row.type == "zset":
            found[key] = sorted(await redis.zrange(key, 0, -1))
        else:
            found[key] = await redis.hgetall(key) if row.name == "clients" else sorted(await redis.hkeys(key))
    return found


@pytest.fixture
async def busy(world: World) -> Conversation:
    """A conversation with every kind of command in its log that may be repeated, and one that waits for a person."""
    conversation = await world.start(asker(), "c")
    await first_commands(conversation)
    await say(conversation, "question", client_id="last")
    assert await rest(conversation) == "awaiting_input"
    await world.store.registry.create(
        "child", agent="asker", principal="ada", parent=Parent("c", "k", "c", 1, 1), now=NOW
    )
    await world.store.registry.create("empty", agent="asker", principal="ada", title="Empty", now=NOW)
    return conversation


@pytest.mark.parametrize("damage", ["lost", "wrong", "left over"])
async def test_each_index_is_as_it_was(world: World, busy: Conversation, damage: str) -> None:
    store = world.store
    redis: Any = store._client.redis
    keys, before = store.keys.conversation("c"), await contents(store)
    state = (await store.registry.get("c")).state
    due = await redis.zscore(keys.unfinished, "c")
    assert len(before) == 3 * len(lists_of_owner("ada")) + 3
    match damage:
        case "lost":
            await redis.delete(*before)
            await redis.hdel(keys.meta, "state")
        case "wrong":
            await redis.hset(keys.clients, mapping=dict.fromkeys(before[keys.clients.encode()], 1))
            await redis.zadd(keys.unfinished, {"c": 5})
            await redis.hset(keys.meta, "state", b'{"state": "idle", "pending": {}}')
            for name in lists_of_owner("ada"):
                orders = store.keys.list(name)
                await redis.zadd(orders.updated, {"c": 5, "empty": NOW * 2})
                await redis.zadd(orders.titles, {"0wrong\0c": 0})
        case "left over":
            await redis.hset(keys.clients, "never sent", 2)
            await redis.zadd(keys.unfinished, {"gone": 5})
            await redis.zadd(store.keys.unfinished(store.keys.partition("gone")), {"gone": 5})
            await redis.zadd(store.keys.unfinished(store.keys.partition("empty")), {"empty": 5})
            await redis.zadd(store.keys.list(ALL).created, {"gone": 5, "child": 5})

    done = await reindex(store)

    assert done == Reindexed(conversations=3, unfinished=1, lists=2)
    assert await contents(store) == before
    assert await redis.zscore(keys.unfinished, "c") == due
    assert (await store.registry.get("c")).state == state
    metas, _ = await store.registry.list(ALL, limit=10)
    assert [meta.id for meta in metas] == ["c", "empty"]


async def test_turns_go_on_and_lists_are_complete_while_it_runs(world: World) -> None:
    agent = Agent(name="echo", model=ScriptedModel(lambda _: Step("Hello.")))
    conversations = [await world.start(agent, f"c{number}") for number in range(4)]
    done = asyncio.Event()

    times = 0

    async def reindex_again_and_again() -> None:
        nonlocal times
        while not done.is_set():
            await reindex(world.store)
            metas, _ = await world.store.registry.list(ALL, limit=10)
            assert {meta.id for meta in metas} >= {"c0", "c1", "c2", "c3"}
            times += 1

    reindexing = asyncio.create_task(reindex_again_and_again())
    number = 0
    while times < 3:
        for conversation in conversations:
            await say(conversation, client_id=f"m{number}")
        for conversation in conversations:
            assert await rest(conversation) == "idle"
        number += 1
    done.set()
    await reindexing
    assert await world.store.registry.unfinished(2**60, 10) == []
    again = await say(conversations[0], client_id="m0")
    assert (again.seq, again.duplicate) == (1, True)


async def test_what_cannot_be_read_keeps_its_indexes_and_keys_are_listed_again(store: Store) -> None:
    await store.registry.create("c", agent="a", principal="acme/ada", now=NOW)
    claim = await store.log.claim("c")
    await store.log.append(claim, [b"?"], expected_last_seq=0, state=b"kept", due_at=NOW, now=NOW, client_ids={"m": 1})
    await make_key(store, "ada")
    await store._client.redis.delete(store.keys.api_keys("acme"))
    await store.registry.create("p", agent="a", principal="acme/ada", now=NOW)
    await store.registry.create("child", agent="a", principal="acme/ada", parent=Parent("p", "k", "p", 1, 1), now=NOW)
    await store._client.redis.delete(store.keys.conversation("p").meta)

    done = await reindex(store)

    assert (done.conversations, done.unreadable, done.orphans, done.keys) == (2, 1, 1, 1)
    assert await store.registry.unfinished(NOW, 10) == ["c"]
    assert await store.log.seq_of("c", "m") == 1
    assert len(await store.api_keys.list("acme")) == 1
    await store.registry.delete("c")
    await store.registry.delete("child")

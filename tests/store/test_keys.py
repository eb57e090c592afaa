"""The key table: every key is declared, has one spelling and shares its conversation's slot."""

import pytest
from redis.crc import key_slot

from store import Keys, Store
from store.keys import PARTITIONS, TABLE
from tests.store.conftest import Target
from tests.store.leaks import all_keys, complaints
from tests.store.writer import NOW, Writer

KEYS = Keys()


def test_the_spelling_is_part_of_the_data_format() -> None:
    own = KEYS.conversation("c-1")

    assert own.log == "raylogue:{62}:conversation:c-1:log"
    assert own.meta == "raylogue:{62}:conversation:c-1:meta"
    assert own.clients == "raylogue:{62}:conversation:c-1:clients"
    assert own.live == "raylogue:{62}:conversation:c-1:live"
    assert own.unfinished == "raylogue:{62}:unfinished"
    assert KEYS.owner("ada") == "raylogue:{owner:ada}:conversations"


def test_every_key_of_a_conversation_is_in_one_slot() -> None:
    for conversation_id in ("c-1", "parent/child", "ümläut", "with:colon", "{brace}"):
        own = KEYS.conversation(conversation_id)
        slots = {key_slot(key.encode()) for key in (own.log, own.meta, own.clients, own.unfinished)}
        assert len(slots) == 1


def test_partitions_are_used_evenly() -> None:
    used = [KEYS.partition(f"conversation-{number}") for number in range(64 * 50)]

    assert set(used) == set(range(PARTITIONS))
    assert max(used.count(partition) for partition in range(PARTITIONS)) < 100


def test_the_table_recognises_each_kind_of_key_and_no_other() -> None:
    own = KEYS.conversation("any:thing{at}all")
    spelled = [own.log, own.meta, own.clients, own.unfinished, KEYS.owner("a b}c")]
    rows = [KEYS.row(key) for key in spelled]

    assert rows == list(TABLE)
    assert all(row.lifetime for row in TABLE)
    assert KEYS.row("raylogue:{1}:conversation:c:lock") is None
    assert KEYS.row("elsewhere:{1}:unfinished") is None
    assert Keys("other").row(own.log) is None


@pytest.mark.parametrize("prefix", ["", "a{b}", "}"])
def test_a_prefix_must_not_disturb_the_hash_tag(prefix: str) -> None:
    with pytest.raises(ValueError, match="key prefix"):
        Keys(prefix)


async def test_a_used_conversation_has_exactly_the_keys_of_the_table(store: Store, target: Target) -> None:
    client = target.client()
    before = await all_keys(client)
    writer = await Writer.new(store, "c")
    await writer.append(b"one", due_at=NOW, client_ids={"first": 1})
    own = store.keys.conversation("c")

    expected = {own.log, own.meta, own.clients, own.unfinished, store.keys.owner("ada")}
    assert {key.decode() for key in await all_keys(client) - before} == expected
    await client.aclose()


async def test_the_leak_checker_sees_strays_wrong_types_and_expiry(store: Store, target: Target) -> None:
    client = target.client()
    own = store.keys.conversation("c")
    stray = f"{store.keys.prefix}:stray"
    await client.set(stray, "x")
    await client.set(own.log, "not a stream")
    await client.hset(own.meta, "agent", "x")
    await client.expire(own.meta, 60)
    found = {stray.encode(), own.log.encode(), own.meta.encode()}

    wrong = "\n".join(await complaints(client, store.keys, found))

    assert f"{stray} is not in the table" in wrong
    assert f"{own.log} is a string, not a stream" in wrong
    assert f"{own.meta} expires" in wrong
    for key in found:
        await client.delete(key)
    await client.aclose()

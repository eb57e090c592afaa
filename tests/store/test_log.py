"""The log: batches are whole, positions have no gaps, and it reads the same from both ends."""

import asyncio

import pytest

from store import ConversationNotFound, Record, Store
from store.errors import Conflict, DuplicateMessage
from tests.store.conftest import Target
from tests.support.writer import NOW, Writer, texts


async def test_a_batch_gets_consecutive_positions(store: Store) -> None:
    writer = await Writer.new(store, "c")

    assert await writer.append(b"one", b"two") == 2
    assert await writer.append(b"three") == 3

    assert await store.log.read("c") == [Record(1, b"one"), Record(2, b"two"), Record(3, b"three")]


async def test_records_are_opaque_bytes(store: Store) -> None:
    writer = await Writer.new(store, "c")
    odd = [b"", bytes(range(256)), b"\x00" * 1000, "…ü".encode()]

    await writer.append(*odd)

    assert [record.data for record in await store.log.read("c")] == odd


async def test_an_append_updates_the_metadata(store: Store) -> None:
    writer = await Writer.new(store, "c")

    await writer.append(b"one", state=b'{"state":"idle"}', now=NOW + 5)

    meta = await store.registry.get("c")
    assert (meta.last_seq, meta.state, meta.updated_at, meta.created_at, meta.epoch) == (
        1,
        b'{"state":"idle"}',
        NOW + 5,
        NOW,
        writer.claim.epoch,
    )


async def test_an_append_without_records_changes_only_the_state(store: Store) -> None:
    writer = await Writer.new(store, "c")
    await writer.append(b"one")

    assert await writer.append(state=b"later", due_at=NOW) == 1

    assert await texts(store, "c") == ["one"]
    assert (await store.registry.get("c")).state == b"later"
    assert await store.registry.unfinished(NOW, 10) == ["c"]


async def test_the_place_of_a_summary_is_known_without_reading_the_log(store: Store) -> None:
    writer = await Writer.new(store, "c")
    assert writer.claim.meta.summary_seq is None
    await writer.append(b"one", b"two")
    assert (await store.registry.get("c")).summary_seq is None

    await writer.append(b"summary", summary_seq=3)
    await writer.append(b"four")
    assert (await store.log.claim("c")).meta.summary_seq == 3

    writer = await Writer.of(store, "c")
    await writer.append(b"another", b"and more", summary_seq=5)
    assert (await store.registry.get("c")).summary_seq == 5


async def test_a_summary_that_was_not_written_is_not_noted(store: Store) -> None:
    writer = await Writer.new(store, "c")
    await writer.append(b"one")
    writer.last_seq = 0

    with pytest.raises(Conflict):
        await writer.append(b"summary", summary_seq=1)

    assert (await store.registry.get("c")).summary_seq is None


async def test_a_wrong_expectation_is_a_conflict_and_writes_nothing(store: Store) -> None:
    writer = await Writer.new(store, "c")
    await writer.append(b"one", state=b"known")
    writer.last_seq = 0

    with pytest.raises(Conflict) as refusal:
        await writer.append(b"late", state=b"forged", due_at=NOW, client_ids={"x": 1})

    assert (refusal.value.expected_last_seq, refusal.value.last_seq) == (0, 1)
    assert await texts(store, "c") == ["one"]
    assert (await store.registry.get("c")).state == b"known"
    assert await store.registry.unfinished(NOW, 10) == []
    assert await store.log.seq_of("c", "x") is None


async def test_appending_to_nothing_is_refused(store: Store) -> None:
    with pytest.raises(ConversationNotFound):
        await store.log.append(("nowhere", 1), [b"x"], expected_last_seq=0, state=b"", due_at=None, now=NOW)
    with pytest.raises(ConversationNotFound):
        await store.log.claim("nowhere")
    assert await store.log.read("nowhere") == []
    assert await store.log.read_back("nowhere", limit=5) == []
    assert await store.log.seq_of("nowhere", "x") is None


async def test_a_client_id_is_accepted_once(store: Store) -> None:
    writer = await Writer.new(store, "c")
    await writer.append(b"hello", client_ids={"first": 1})
    await writer.append(b"answer")

    with pytest.raises(DuplicateMessage) as refusal:
        await writer.append(b"hello", b"again", state=b"forged", client_ids={"second": 3, "first": 4})

    assert (refusal.value.client_id, refusal.value.seq) == ("first", 1)
    assert await texts(store, "c") == ["hello", "answer"]
    assert await store.log.seq_of("c", "first") == 1
    assert await store.log.seq_of("c", "second") is None


async def test_a_duplicate_is_told_even_to_a_writer_behind_the_log(store: Store) -> None:
    writer = await Writer.new(store, "c")
    await writer.append(b"hello", client_ids={"first": 1})
    writer.last_seq = 0

    with pytest.raises(DuplicateMessage):
        await writer.append(b"hello", client_ids={"first": 1})


async def test_the_same_message_many_times_at_once_is_one_event(store: Store, second_store: Store) -> None:
    writer = await Writer.new(store, "c")
    writers = [Writer(opened, writer.claim) for opened in (store, second_store) for _ in range(8)]

    answers = await asyncio.gather(
        *(each.append(b"hello", client_ids={"first": 1}) for each in writers), return_exceptions=True
    )

    assert [answer for answer in answers if isinstance(answer, int)] == [1]
    refusals = [answer for answer in answers if isinstance(answer, DuplicateMessage)]
    assert [refusal.seq for refusal in refusals] == [1] * 15
    assert await texts(store, "c") == ["hello"]


async def test_reading_forward_in_pages(store: Store) -> None:
    writer = await Writer.new(store, "c")
    await writer.append(*(b"%d" % number for number in range(1, 11)))

    assert [record.seq for record in await store.log.read("c", limit=4)] == [1, 2, 3, 4]
    assert [record.seq for record in await store.log.read("c", after=4, limit=4)] == [5, 6, 7, 8]
    assert [record.seq for record in await store.log.read("c", after=8, limit=4)] == [9, 10]
    assert await store.log.read("c", after=10) == []
    assert await store.log.read("c", after=99) == []


async def test_reading_back_in_pages(store: Store) -> None:
    writer = await Writer.new(store, "c")
    await writer.append(*(b"%d" % number for number in range(1, 11)))

    assert [record.seq for record in await store.log.read_back("c", limit=4)] == [7, 8, 9, 10]
    assert [record.seq for record in await store.log.read_back("c", before=7, limit=4)] == [3, 4, 5, 6]
    assert [record.seq for record in await store.log.read_back("c", before=3, limit=4)] == [1, 2]
    assert await store.log.read_back("c", before=1, limit=4) == []
    assert await store.log.read_back("c", before=0, limit=4) == []


async def test_the_index_of_unfinished_turns_follows_the_appends(store: Store) -> None:
    writers = [await Writer.new(store, f"c{number}") for number in range(5)]
    for number, writer in enumerate(writers):
        await writer.append(b"x", due_at=NOW + number)

    assert await store.registry.unfinished(NOW + 2, 10) == ["c0", "c1", "c2"]
    assert await store.registry.unfinished(NOW + 9, 2) == ["c0", "c1"]

    await writers[0].append(b"y", due_at=NOW + 100)
    await writers[1].append(b"y", due_at=None)

    assert await store.registry.unfinished(NOW + 9, 10) == ["c2", "c3", "c4"]


async def test_one_append_is_one_command(store: Store, target: Target) -> None:
    writer = await Writer.new(store, "c")
    await writer.append(b"the first one teaches the script")
    client = target.client()
    flag = {"target_nodes": "all"} if target.clustered else {}

    async def calls() -> dict[str, int]:
        infos = await client.info("commandstats", **flag)
        totals: dict[str, int] = {}
        for info in infos.values() if target.clustered else [infos]:
            for name, figures in info.items():
                totals[name] = totals.get(name, 0) + figures["calls"]
        return totals

    before = await calls()
    for number in range(10):
        await writer.append(b"x", b"y", notice=b"{}", due_at=NOW, client_ids={f"m{number}": 1})
    after = await calls()
    await client.aclose()

    inside = {"xadd", "hmget", "hget", "hset", "zadd", "zrem", "publish"}
    sent = {
        name.removeprefix("cmdstat_"): after[name] - before.get(name, 0)
        for name in after
        if after[name] != before.get(name, 0)
    }
    assert sent["evalsha"] == 10
    assert sent.keys() <= {"evalsha", "info", "cluster|slots", "command", *inside}


async def test_a_page_is_full_when_it_has_so_many_bytes(store: Store) -> None:
    writer = await Writer.new(store, "c")
    await writer.append(*[b"x" * 100] * 20, b"y" * 10_000, *[b"z"] * 5)

    async def seqs(**bounds: int) -> list[int]:
        return [record.seq for record in await store.log.page("c", **bounds)]

    assert await seqs(limit=100, max_bytes=1_000_000) == list(range(1, 27))
    assert await seqs(limit=17, max_bytes=1_000_000) == list(range(1, 18))
    assert await seqs(limit=100, max_bytes=950) == list(range(1, 11))
    assert await seqs(after=18, limit=100, max_bytes=1_000) == [19, 20, 21]
    assert await seqs(after=20, limit=100, max_bytes=1) == [21]
    assert await seqs(after=26, limit=100, max_bytes=1) == []
    assert await store.log.page("nowhere", limit=100, max_bytes=1) == []

    async def seqs_back(**bounds: int) -> list[int]:
        return [record.seq for record in await store.log.page_back("c", **bounds)]

    assert await seqs_back(limit=100, max_bytes=1_000_000) == list(range(1, 27))
    assert await seqs_back(limit=3, max_bytes=1_000_000) == [24, 25, 26]
    assert await seqs_back(limit=100, max_bytes=1_000) == list(range(21, 27))
    assert await seqs_back(before=21, limit=100, max_bytes=950) == list(range(11, 21))
    assert await seqs_back(before=1, limit=100, max_bytes=950) == []

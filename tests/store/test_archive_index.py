"""A log whose beginning is in the archive reads like any other, even after a crash while it was moved there."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from store import Archive, ConversationNotFound, Fenced, Record, Store, connect
from store.errors import ArchiveDamaged, ArchiveUnavailable, Conflict
from store.log import archive_index
from tests.servers.fixtures import VALKEY
from tests.servers.process import available_binaries
from tests.store.conftest import CLUSTER, Target
from tests.support.writer import Writer

EVENTS = 25
SEGMENT = 5


def open_archive(directory: Path, kind: type[Archive] = Archive) -> Archive:
    return kind(str(directory), segment_events=SEGMENT, keep_events=1)


@pytest.fixture
def target(request: pytest.FixtureRequest, started_servers: Callable[[str], str]) -> Target:
    """One server; tests that depend on the kind of server have all of them as parameters."""
    name = getattr(request, "param", VALKEY)
    if name == CLUSTER:
        return Target(CLUSTER, request.getfixturevalue("valkey_cluster").url, clustered=True)
    return Target(name, started_servers(name), clustered=False)


@pytest.fixture
async def archiving(target: Target, store: Store, tmp_path: Path) -> AsyncIterator[Store]:
    """The store of a process that has an archive; `store` is one of a process that has none."""
    opened = connect(
        target.url, cluster=target.clustered, prefix=store.keys.prefix, archive=open_archive(tmp_path / "archive")
    )
    yield opened
    await opened.aclose()


async def written(store: Store, events: int = EVENTS) -> Writer:
    """A log of so many records, each a message."""
    writer = await Writer.new(store, "c")
    for seq in range(1, events + 1):
        await writer.append(b"%d" % seq, client_ids={f"m{seq}": seq})
    return writer


def until_full(records: list[Record], most: int) -> list[Record]:
    sums = itertools.accumulate(len(record.data) for record in records)
    return records[: 1 + sum(size < most for size in sums)]


async def moved(store: Store, writer: Writer, upto: int) -> int:
    archived = (await store.registry.get("c")).archived_seq or 0
    return await store.log.move_to_archive(("c", writer.claim.epoch), archived, upto)


ALL = [Record(seq, b"%d" % seq) for seq in range(1, EVENTS + 1)]


async def check_reading(store: Store) -> None:
    """In both directions, in pages of every size, across every border of a segment."""
    assert await store.log.read("c") == ALL
    for limit in (1, SEGMENT, 7, 100):
        for at in (0, 1, 4, 5, 6, 12, 19, 20, 21, EVENTS - 1, EVENTS, EVENTS + 1):
            assert await store.log.read("c", after=at, limit=limit) == ALL[at : at + limit]
            assert (
                await store.log.read_back("c", before=at, limit=limit) == ALL[max(0, at - 1 - limit) : max(0, at - 1)]
            )
        assert await store.log.read_back("c", limit=limit) == ALL[-limit:]
    for most in (1, 8, 13, 1000):
        for at in (0, 4, 5, 12, 18, 21, EVENTS):
            page = await store.log.page("c", after=at, limit=9, max_bytes=most)
            assert page == until_full(ALL[at : at + 9], most)
            page = await store.log.page_back("c", before=at, limit=9, max_bytes=most)
            assert page == until_full(ALL[max(0, at - 10) : max(0, at - 1)][::-1], most)[::-1]


@pytest.mark.parametrize(
    "target", [*available_binaries(), pytest.param(CLUSTER, marks=pytest.mark.cluster)], indirect=True
)
async def test_a_moved_log_reads_like_any_other(archiving: Store, store: Store, target: Target) -> None:
    writer = await written(archiving)
    await check_reading(archiving)

    assert await moved(archiving, writer, 13) == 10, "only full segments are moved"
    await check_reading(archiving)
    assert await moved(archiving, writer, 24) == 20
    await check_reading(archiving)

    async with target.client() as client:
        keys = store.keys.conversation("c")
        assert await client.xlen(keys.log) == EVENTS - 20
        assert await client.hlen(keys.clients) == EVENTS - 20
        assert await client.hlen(keys.segments) == 4
    assert (await archiving.registry.get("c")).archived_seq == 20
    assert await writer.append(b"on it goes") == EVENTS + 1
    assert (await archiving.log.read("c", after=EVENTS))[0].data == b"on it goes"


async def test_a_client_id_is_known_for_ever(archiving: Store, store: Store) -> None:
    writer = await written(archiving)
    await moved(archiving, writer, 20)

    assert [await archiving.log.seq_of("c", f"m{seq}") for seq in range(1, EVENTS + 1)] == list(range(1, EVENTS + 1))
    assert await archiving.log.seq_of("c", "another") is None
    assert await store.log.seq_of("c", "another") is None, "a new id is known to be new without the archive"
    assert await store.log.seq_of("c", "m25") == 25
    with pytest.raises(ArchiveUnavailable):
        await store.log.seq_of("c", "m1")


async def test_without_the_archive_nothing_is_left_out(archiving: Store, store: Store) -> None:
    writer = await written(archiving)
    await moved(archiving, writer, 20)

    assert await store.log.read("c", after=20) == ALL[20:]
    assert await store.log.read_back("c", limit=5) == ALL[20:]
    for reading in (
        store.log.read("c"),
        store.log.read("c", after=19, limit=1),
        store.log.read_back("c", limit=6),
        store.log.read_back("c", before=21, limit=1),
        store.log.read_back("c", before=5, limit=1),
    ):
        with pytest.raises(ArchiveUnavailable, match="no archive any more"):
            await reading


async def test_a_segment_that_is_gone_or_spoilt_is_an_error(archiving: Store, tmp_path: Path) -> None:
    writer = await written(archiving)
    await moved(archiving, writer, 20)
    first, second, *_ = sorted((tmp_path / "archive" / "c").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:-3])

    for reading, problem in (
        (archiving.log.read("c"), "missing"),
        (archiving.log.read_back("c", before=8, limit=2), "cannot be read"),
        (archiving.log.read_back("c", before=3, limit=2), "missing"),
    ):
        with pytest.raises(ArchiveDamaged, match=problem):
            await reading
    assert await archiving.log.read("c", after=10) == ALL[10:], "the other segments are not affected"


async def test_an_index_that_is_lost_is_an_error(archiving: Store, target: Target) -> None:
    writer = await written(archiving)
    await moved(archiving, writer, 20)
    client = target.client()
    await client.delete(archiving.keys.conversation("c").segments)
    await client.aclose()

    for reading in (
        archiving.log.read("c"),
        archiving.log.read_back("c", before=21, limit=1),
        archiving.log.read_back("c", limit=EVENTS),
    ):
        with pytest.raises(ArchiveDamaged, match="is in no segment"):
            await reading


async def test_only_the_writer_moves_and_never_the_newest(archiving: Store) -> None:
    first = await written(archiving)
    second = await Writer.of(archiving, "c")

    with pytest.raises(Fenced):
        await moved(archiving, first, 20)
    with pytest.raises(Conflict):
        await moved(archiving, second, EVENTS)  # that would leave no record in Redis
    assert (await archiving.registry.get("c")).archived_seq == 20
    await check_reading(archiving)
    with pytest.raises(ConversationNotFound):
        await archiving.log.move_to_archive(("nowhere", 1), 0, 10)


async def test_deleting_a_conversation_deletes_its_segments(archiving: Store, store: Store, tmp_path: Path) -> None:
    writer = await written(archiving)
    await moved(archiving, writer, 20)
    (tmp_path / "archive" / "c" / "left by a crash").touch()

    with pytest.raises(ArchiveUnavailable):
        await store.registry.delete("c")
    await check_reading(archiving)

    await archiving.registry.delete("c")
    assert list((tmp_path / "archive").iterdir()) == []
    assert await archiving.log.read("c") == []
    fresh = await Writer.new(archiving, "c")
    await fresh.append(b"a namesake")
    assert await archiving.log.read("c") == [Record(1, b"a namesake")]
    assert await archiving.log.seq_of("c", "m1") is None


async def test_a_conversation_deleted_while_it_is_moved_leaves_nothing(
    archiving: Store, target: Target, tmp_path: Path
) -> None:
    writer = await written(archiving)

    class Late(Archive):
        async def write(self, *args: Any) -> Any:
            name = await super().write(*args)
            await archiving.registry.delete("c")
            await super().write(*args)  # as if it had been slower than the deletion
            return name

    late = open_archive(tmp_path / "archive", Late)
    other = connect(target.url, cluster=target.clustered, prefix=archiving.keys.prefix, archive=late)
    with pytest.raises(ConversationNotFound):
        await moved(other, writer, 20)
    assert list((tmp_path / "archive").iterdir()) == []
    await other.aclose()


async def test_an_archive_that_fails_leaves_the_log_whole(archiving: Store, tmp_path: Path) -> None:
    writer = await written(archiving)
    (tmp_path / "archive").write_text("a file where the directory should be")

    with pytest.raises(ArchiveUnavailable):
        await moved(archiving, writer, 20)
    await check_reading(archiving)

    (tmp_path / "archive").unlink()
    assert await moved(archiving, writer, 20) == 20
    await check_reading(archiving)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class BeforeTheFile(Archive):
    def _write(self, conversation_id: str, file: str, content: bytes) -> None:
        kill()


class InTheFile(Archive):
    def _write(self, conversation_id: str, file: str, content: bytes) -> None:
        super()._write(conversation_id, file, content[:50])
        kill()


class BehindTheFile(Archive):
    def _write(self, conversation_id: str, file: str, content: bytes) -> None:
        super()._write(conversation_id, file, content)
        kill()


class BeforeTheTrim(Archive):
    async def write(self, *args: Any) -> Any:
        await super().write(*args)
        kill()


class BehindTheFirstTrim(Archive):
    written = 0

    async def write(self, *args: Any) -> Any:
        self.written += 1
        if self.written == 2:
            kill()
        return await super().write(*args)


@pytest.mark.parametrize("kind", [BeforeTheFile, InTheFile, BehindTheFile, BeforeTheTrim, BehindTheFirstTrim])
def test_a_kill_at_any_step_loses_nothing(
    kind: type[Archive], redis_url: str, redis_prefix: str, tmp_path: Path
) -> None:
    async def within(kind: type[Archive], body: Callable[[Store], Any]) -> None:
        store = connect(redis_url, prefix=redis_prefix, archive=open_archive(tmp_path, kind))
        await body(store)
        await store.aclose()

    async def write(store: Store) -> None:
        await written(store)

    async def move(store: Store) -> None:
        await moved(store, await Writer.of(store, "c"), 20)

    async def go_on(store: Store) -> None:
        await check_reading(store)
        await move(store)
        assert (await store.registry.get("c")).archived_seq == 20
        await check_reading(store)
        assert await store.log.seq_of("c", "m3") == 3
        assert len(list((tmp_path / "c").iterdir())) == 4, "a segment that is written again is the same file"
        await store.registry.delete("c")
        assert list(tmp_path.iterdir()) == []

    asyncio.run(within(Archive, write))
    child = os.fork()
    if child == 0:  # a process that really dies
        try:
            asyncio.run(within(kind, move))
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    asyncio.run(within(Archive, go_on))


async def test_large_records_fill_a_segment_sooner(
    archiving: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_index, "MAX_SEGMENT_BYTES", 1)
    monkeypatch.setattr(archive_index, "MAX_RECORDS_PER_READ", 2)
    writer = await written(archiving)

    assert await moved(archiving, writer, 20) == 16
    assert len(list((tmp_path / "archive" / "c").iterdir())) == 8
    await check_reading(archiving)

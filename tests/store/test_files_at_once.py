"""Concurrent writers of the same files: no edit is lost, limits hold, and a lost answer changes nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from store import ConversationNotFound, Scope, Store, connect
from store.errors import FileConflict, FileExists, FileMissing, ScopeFull
from store.files.files import FileInfo, FileLimits
from tests.servers.process import RedisServer
from tests.servers.proxy import Proxy
from tests.store.conftest import Target
from tests.support.writer import NOW, Writer

ADA = Scope("user", "ada")


async def add_line(store: Store, line: str) -> int:
    """Read, add a line, write; again whenever another writer was faster. Return the version written."""
    while True:
        found = await store.files.read(ADA, "list")
        content = found.content + f"{line}\n".encode()
        try:
            return await store.files.write(ADA, "list", content, expected_version=found.info.version, now=NOW)
        except FileConflict:
            continue


async def test_no_edit_is_lost(store: Store, second_store: Store) -> None:
    await store.files.write(ADA, "list", b"", expected_version=None, now=NOW)
    lines = [f"line {number}" for number in range(24)]

    versions = await asyncio.gather(
        *(add_line(opened, line) for opened, line in zip([store, second_store] * 12, lines, strict=True))
    )

    content = (await store.files.read(ADA, "list")).content.decode()
    assert sorted(content.splitlines()) == sorted(lines)
    assert sorted(versions) == list(range(2, 26))


async def test_a_version_is_replaced_once(store: Store, second_store: Store) -> None:
    await store.files.write(ADA, "a", b"first", expected_version=None, now=NOW)

    answers = await asyncio.gather(
        *(
            opened.files.write(ADA, "a", b"%d" % number, expected_version=1, now=NOW)
            for number, opened in enumerate([store, second_store] * 8)
        ),
        return_exceptions=True,
    )

    assert answers.count(2) == 1
    assert sum(isinstance(answer, FileConflict) and answer.current == 2 for answer in answers) == 15, answers
    assert (await store.files.read(ADA, "a")).content == b"%d" % answers.index(2)


async def test_a_file_is_created_once(store: Store, second_store: Store) -> None:
    answers = await asyncio.gather(
        *(
            opened.files.write(ADA, "a", b"%d" % number, expected_version=None, now=NOW)
            for number, opened in enumerate([store, second_store] * 8)
        ),
        return_exceptions=True,
    )

    assert answers.count(1) == 1
    assert sum(isinstance(answer, FileExists) for answer in answers) == 15
    assert (await store.files.read(ADA, "a")).content == b"%d" % answers.index(1)


async def test_the_last_place_is_given_once(store: Store, target: Target) -> None:
    small = target.connect(store.keys.prefix, file_limits=FileLimits(files=5))

    answers = await asyncio.gather(
        *(small.files.write(ADA, f"f{number}", b"", expected_version=None, now=NOW) for number in range(16)),
        return_exceptions=True,
    )

    assert answers.count(1) == len(await small.files.list(ADA)) == 5
    assert sum(isinstance(answer, ScopeFull) for answer in answers) == 11
    await small.aclose()


async def test_a_directory_is_seen_in_one_place_or_the_other(store: Store, second_store: Store) -> None:
    for number in range(20):
        await store.files.write(ADA, f"here/{number}", b"x", expected_version=None, now=NOW)
    moving = True

    async def move_to_and_fro() -> None:
        nonlocal moving
        for _ in range(10):
            await store.files.move(ADA, "here", "there", now=NOW)
            await store.files.move(ADA, "there", "here", now=NOW)
        moving = False

    async def look() -> int:
        looks = 0
        while moving:
            seen = [info.path.partition("/")[0] for info in await second_store.files.list(ADA)]
            assert seen in (["here"] * 20, ["there"] * 20)
            looks += 1
        return looks

    looks, _ = await asyncio.gather(look(), move_to_and_fro())
    assert looks > 3


async def test_an_edit_and_a_move_at_once_keep_the_edit_or_refuse_it(store: Store, second_store: Store) -> None:
    for number in range(12):
        source, target = f"s{number}", f"t{number}"
        version = await store.files.write(ADA, source, b"old", expected_version=None, now=NOW)
        edit, _ = await asyncio.gather(
            second_store.files.write(ADA, source, b"new", expected_version=version, now=NOW),
            store.files.move(ADA, source, target, now=NOW),
            return_exceptions=True,
        )
        content = (await store.files.read(ADA, target)).content
        assert (content == b"new") == (not isinstance(edit, FileMissing))
        with pytest.raises(FileMissing):
            await store.files.read(ADA, source)


async def test_a_conversation_deleted_while_its_files_are_written_leaves_none(
    store: Store, second_store: Store
) -> None:
    await Writer.new(store, "c")
    own = Scope("conversation", "c")

    async def write_on() -> int:
        for number in range(1000):
            try:
                await second_store.files.write(own, f"f{number}", b"x", expected_version=None, now=NOW)
            except ConversationNotFound:
                return number
            if number == 5:
                going.set()
        raise AssertionError("the conversation is still there")

    going = asyncio.Event()
    writing = asyncio.create_task(write_on())
    await going.wait()
    await store.registry.delete("c")

    assert await writing > 5
    assert await store.files.list(own) == []


@asynccontextmanager
async def through_proxy(server: RedisServer) -> AsyncIterator[tuple[Store, Proxy]]:
    """A store that has run each script once, behind a proxy that may lose answers."""
    async with Proxy(server.port) as proxy:
        store = connect(proxy.url, socket_timeout=0.5)
        await store.files.write(ADA, "known", b"", expected_version=None, now=NOW)
        await store.files.move(ADA, "known", "moved", now=NOW)
        await store.files.delete(ADA, "moved")
        yield store, proxy
        await store.aclose()


async def test_a_change_whose_answer_is_lost_happens_once(own_server: Callable[..., RedisServer]) -> None:
    async with through_proxy(own_server()) as (store, proxy):
        proxy.lose_answer_to(b"EVALSHA")
        first = await store.files.write(ADA, "dir/a", b"one", expected_version=None, now=NOW)
        proxy.lose_answer_to(b"EVALSHA")
        second = await store.files.write(ADA, "dir/a", b"two", expected_version=first, now=NOW)
        assert second == first + 1
        proxy.lose_answer_to(b"EVALSHA")
        moved = await store.files.move(ADA, "dir", "place", now=NOW)
        assert moved == [FileInfo("place/a", second + 1, 3, NOW)] == await store.files.list(ADA)
        proxy.lose_answer_to(b"EVALSHA")
        assert await store.files.delete(ADA, "place") == 1

        assert proxy.lost_answers == 4
        assert await store.files.list(ADA) == []

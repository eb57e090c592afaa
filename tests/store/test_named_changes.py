"""A change of a file that its caller names happens once, and has the same result however often it is repeated."""

import pytest

from store import Scope, Store
from store.errors import FileConflict, FileExists
from store.files.files import FileInfo
from tests.store.conftest import Target
from tests.support.writer import NOW

ADA = Scope("user", "ada")


async def test_a_named_write_is_one_write(store: Store) -> None:
    write = store.files.write
    assert await store.files.written(ADA, "0a") is None
    assert await write(ADA, "a.md", b"one", expected_version=None, now=1, change="0a") == 1
    assert await write(ADA, "a.md", b"two", expected_version=1, now=2, change="0b") == 2
    assert await write(ADA, "a.md", b"one", expected_version=None, now=3, change="0a") == 1
    assert (await store.files.read(ADA, "a.md")).content == b"two"
    assert await store.files.written(ADA, "0a") == 1
    assert await store.files.written(Scope("user", "bob"), "0a") is None


async def test_a_named_change_that_was_refused_may_be_tried_again(store: Store) -> None:
    write = store.files.write
    await write(ADA, "a.md", b"one", expected_version=None, now=1)
    for expected, error in ((None, FileExists), (7, FileConflict)):
        with pytest.raises(error):
            await write(ADA, "a.md", b"two", expected_version=expected, now=2, change="0c")
        assert await store.files.written(ADA, "0c") is None
    assert await write(ADA, "a.md", b"two", expected_version=1, now=3, change="0c") == 2


async def test_a_named_move_and_a_named_delete_are_one(store: Store) -> None:
    await store.files.write(ADA, "a/1.md", b"one", expected_version=None, now=1)
    moved = await store.files.move(ADA, "a", "b", now=2, change="0d")
    assert [info.path for info in moved] == ["b/1.md"]
    await store.files.write(ADA, "a/2.md", b"two", expected_version=None, now=3)
    assert [info.path for info in await store.files.move(ADA, "a", "b", now=4, change="0d")] == ["b/1.md"]
    assert await store.files.delete(ADA, "a", change="0e") == 1
    assert await store.files.delete(ADA, "a", change="0e") == 1
    assert [info.path for info in await store.files.list(ADA)] == ["b/1.md"]


async def test_the_receipt_of_a_named_change_is_kept_for_a_day(store: Store) -> None:
    await store.files.write(ADA, "a.md", b"one", expected_version=None, now=1, change="0f")
    seconds = await store._client.redis.ttl(store.keys.files("user", "ada").receipt("0f"))
    assert 86_000 < seconds <= 86_400


async def test_a_change_with_a_name_is_made_once(store: Store, second_store: Store, target: Target) -> None:
    client = target.client()
    assert await store.files.written(ADA, "0a") is None
    first = await store.files.write(ADA, "a", b"one", expected_version=None, now=NOW, change="0a")
    assert await store.files.written(ADA, "0a") == first
    second = await store.files.write(ADA, "a", b"two", expected_version=first, now=NOW)

    assert await second_store.files.write(ADA, "a", b"one", expected_version=None, now=NOW, change="0a") == first
    assert await store.files.list(ADA) == [FileInfo("a", second, 3, NOW)]
    for _ in range(2):
        assert [info.path for info in await store.files.move(ADA, "a", "b", now=NOW, change="0b")] == ["b"]
    for _ in range(2):
        assert await store.files.delete(ADA, "b", change="0c") == 1

    keys = store.keys.files("user", "ada")
    assert 86_000 < await client.ttl(keys.receipt("0a")) <= 86_400
    await client.aclose()

"""A change of a file that its caller names happens once, and comes to the same however often it is asked for."""

import pytest

from store import Scope, Store
from store.errors import FileConflict, FileExists

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

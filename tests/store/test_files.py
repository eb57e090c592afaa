"""File systems: versions are compared, limits hold, directories move as one, and no edit is ever lost."""

import pytest

from store import ConversationNotFound, Scope, Store
from store.errors import BadPath, FileConflict, FileExists, FileMissing, FileTooLarge, ScopeFull
from store.files.files import File, FileInfo, FileLimits
from tests.store.conftest import Target
from tests.support.leaks import all_keys
from tests.support.writer import NOW, Writer

ADA = Scope("user", "ada")


async def create(store: Store, *paths: str, scope: Scope = ADA) -> None:
    """Create files that contain their own path."""
    for path in paths:
        await store.files.write(scope, path, path.encode(), expected_version=None, now=NOW)


async def paths(store: Store, under: str = "", *, scope: Scope = ADA) -> list[str]:
    """The paths in a listing."""
    return [info.path for info in await store.files.list(scope, under)]


async def texts(store: Store, scope: Scope = ADA) -> dict[str, str]:
    """Every file's content by its path."""
    return {path: (await store.files.read(scope, path)).content.decode() for path in await paths(store, scope=scope)}


async def test_what_is_written_is_read(store: Store) -> None:
    odd = bytes(range(256)) * 3

    assert await store.files.write(ADA, "notes/ünï 1.txt", odd, expected_version=None, now=NOW) == 1

    info = FileInfo("notes/ünï 1.txt", version=1, size=768, updated_at=NOW)
    assert await store.files.read(ADA, "notes/ünï 1.txt") == File(info, odd)
    assert await store.files.list(ADA) == [info]


async def test_an_empty_file_is_a_file(store: Store) -> None:
    await store.files.write(ADA, "empty", b"", expected_version=None, now=NOW)

    assert (await store.files.read(ADA, "empty")).content == b""
    assert await store.files.list(ADA) == [FileInfo("empty", 1, 0, NOW)]


async def test_a_replacement_counts_up(store: Store) -> None:
    await create(store, "a")

    assert await store.files.write(ADA, "a", b"two", expected_version=1, now=NOW + 1) == 2
    assert await store.files.write(ADA, "a", b"three", expected_version=2, now=NOW + 2) == 3

    assert await store.files.read(ADA, "a") == File(FileInfo("a", 3, 5, NOW + 2), b"three")


async def test_a_stale_version_replaces_nothing(store: Store) -> None:
    await create(store, "a")
    await store.files.write(ADA, "a", b"theirs", expected_version=1, now=NOW)

    with pytest.raises(FileConflict) as refusal:
        await store.files.write(ADA, "a", b"mine", expected_version=1, now=NOW)

    assert (refusal.value.path, refusal.value.expected, refusal.value.current) == ("a", 1, 2)
    with pytest.raises(FileConflict):
        await store.files.delete(ADA, "a", expected_version=1)
    with pytest.raises(FileConflict):
        await store.files.move(ADA, "a", "b", expected_version=1, now=NOW)
    assert await texts(store) == {"a": "theirs"}


async def test_creating_never_overwrites(store: Store) -> None:
    await create(store, "a", "dir/b")

    for path, in_the_way in (("a", "a"), ("dir", "dir"), ("a/below", "a"), ("dir/b/c/d", "dir/b")):
        with pytest.raises(FileExists) as refusal:
            await create(store, path)
        assert refusal.value.path == in_the_way
    assert await texts(store) == {"a": "a", "dir/b": "dir/b"}


async def test_what_is_missing_is_said_to_be_missing(store: Store) -> None:
    with pytest.raises(FileMissing):
        await store.files.read(ADA, "a")
    with pytest.raises(FileMissing):
        await store.files.write(ADA, "a", b"", expected_version=1, now=NOW)
    with pytest.raises(FileMissing):
        await store.files.delete(ADA, "a")
    with pytest.raises(FileMissing):
        await store.files.move(ADA, "a", "b", now=NOW)
    assert await store.files.list(ADA) == []


async def test_listing_a_directory_shows_what_is_below_it_and_no_similar_name(store: Store) -> None:
    await create(store, "dir/b", "dir/a/c", "dirt/x", "a", "dir.txt")

    assert await paths(store) == ["a", "dir.txt", "dir/a/c", "dir/b", "dirt/x"]
    assert await paths(store, "dir") == ["dir/a/c", "dir/b"]
    assert await paths(store, "dir/a") == ["dir/a/c"]
    assert await paths(store, "a") == ["a"]
    assert await paths(store, "nowhere") == []


async def test_scopes_are_apart(store: Store) -> None:
    scopes = [ADA, Scope("user", "bob"), Scope("project", "ada")]
    for scope in scopes:
        await store.files.write(scope, "a", str(scope).encode(), expected_version=None, now=NOW)

    assert [await texts(store, scope) for scope in scopes] == [{"a": str(scope)} for scope in scopes]


async def test_a_version_never_comes_back_to_a_path(store: Store) -> None:
    seen: set[int] = set()

    async def note(version: int) -> int:
        assert version not in seen, "the version was given out before"
        seen.add(version)
        return version

    first = await note(await store.files.write(ADA, "a", b"1", expected_version=None, now=NOW))
    second = await note(await store.files.write(ADA, "a", b"2", expected_version=first, now=NOW))
    await store.files.delete(ADA, "a", expected_version=second)
    third = await note(await store.files.write(ADA, "a", b"3", expected_version=None, now=NOW))
    await store.files.move(ADA, "a", "b", expected_version=third, now=NOW)
    await note(await store.files.write(ADA, "a", b"4", expected_version=None, now=NOW))
    await store.files.delete(ADA, "a")
    (back,) = await store.files.move(ADA, "b", "a", now=NOW)
    await note(back.version)

    with pytest.raises(FileConflict):
        await store.files.write(ADA, "a", b"late", expected_version=first, now=NOW)


async def test_deleting_a_directory_takes_all_that_is_in_it(store: Store) -> None:
    await create(store, "dir/a", "dir/b/c", "dirt", "z")

    assert await store.files.delete(ADA, "dir") == 2
    assert await paths(store) == ["dirt", "z"]
    assert await store.files.delete(ADA, "z") == 1
    with pytest.raises(FileMissing):
        await store.files.delete(ADA, "dir")


async def test_a_version_belongs_to_a_file_and_not_to_a_directory(store: Store) -> None:
    await create(store, "dir/a")

    with pytest.raises(FileMissing):
        await store.files.delete(ADA, "dir", expected_version=1)
    with pytest.raises(FileMissing):
        await store.files.move(ADA, "dir", "other", expected_version=1, now=NOW)
    assert await paths(store) == ["dir/a"]


async def test_moving_a_file(store: Store) -> None:
    await create(store, "a", "b")

    (moved,) = await store.files.move(ADA, "a", "new/place", expected_version=1, now=NOW + 5)

    assert moved == FileInfo("new/place", version=2, size=1, updated_at=NOW + 5)
    assert await store.files.read(ADA, "new/place") == File(moved, b"a")
    assert await paths(store) == ["b", "new/place"]


async def test_a_directory_moves_with_its_children(store: Store) -> None:
    await create(store, "src/a", "src/deep/b", "src/ünï", "srcs/other")

    moved = await store.files.move(ADA, "src", "lib/src", now=NOW)

    assert [info.path for info in moved] == ["lib/src/a", "lib/src/deep/b", "lib/src/ünï"]
    assert moved == await store.files.list(ADA, "lib")
    assert await texts(store) == {
        "lib/src/a": "src/a",
        "lib/src/deep/b": "src/deep/b",
        "lib/src/ünï": "src/ünï",
        "srcs/other": "srcs/other",
    }


async def test_moving_never_overwrites_nor_merges(store: Store) -> None:
    await create(store, "a", "b", "dir/x", "other/x")
    before = await texts(store)

    for source, target, in_the_way in (
        ("a", "b", "b"),
        ("a", "a", "a"),
        ("a", "dir", "dir"),
        ("dir", "other", "other"),
        ("dir", "b", "b"),
        ("dir", "b/below", "b"),
        ("dir/x", "dir", "dir"),
    ):
        with pytest.raises(FileExists) as refusal:
            await store.files.move(ADA, source, target, now=NOW)
        assert refusal.value.path == in_the_way
    with pytest.raises(BadPath, match="inside"):
        await store.files.move(ADA, "dir", "dir/sub", now=NOW)

    assert await texts(store) == before


async def test_a_directory_moves_as_a_whole_or_not_at_all(store: Store) -> None:
    long = "x" * 500
    await create(store, "d/a", f"d/{long}", "d/z")
    before = await store.files.list(ADA)

    with pytest.raises(BadPath, match="longer than 512 bytes"):
        await store.files.move(ADA, "d", "twelve-bytes", now=NOW)

    assert await store.files.list(ADA) == before


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../a",
        "a/../b",
        "a/..",
        ".",
        "./a",
        "a//b",
        "a/",
        "a\\b",
        "a\nb",
        "a\x00b",
        "a\x7fb",
        "a\u2028b",
        "\ud800",
        "ü" * 257,
    ],
)
async def test_a_path_that_leads_elsewhere_is_refused(store: Store, path: str) -> None:
    await create(store, "a")
    with pytest.raises(BadPath):
        await store.files.write(ADA, path, b"", expected_version=None, now=NOW)
    with pytest.raises(BadPath):
        await store.files.read(ADA, path)
    with pytest.raises(BadPath):
        await store.files.delete(ADA, path)
    with pytest.raises(BadPath):
        await store.files.move(ADA, path, "b", now=NOW)
    with pytest.raises(BadPath):
        await store.files.move(ADA, "a", path, now=NOW)
    if path:
        with pytest.raises(BadPath):
            await store.files.list(ADA, path)
    assert await paths(store) == ["a"]


@pytest.mark.parametrize(
    "path", ["a", "a b.txt", "..a", "a..b", "...", ".hidden/x", "ü" * 256, "👩‍🔬/日本語", "%2e%2e"]
)
async def test_an_unusual_path_is_a_path(store: Store, path: str) -> None:
    await create(store, path)
    assert await texts(store) == {path: path}


@pytest.mark.parametrize(("kind", "scope_id"), [("team", "x"), ("user", "")])
def test_there_are_three_kinds_of_scope(kind: str, scope_id: str) -> None:
    with pytest.raises(ValueError, match="there are no files of"):
        Scope(kind, scope_id)  # type: ignore[arg-type]


async def test_a_file_may_not_be_too_large(store: Store, target: Target) -> None:
    small = target.connect(store.keys.prefix, file_limits=FileLimits(file_bytes=10))
    await small.files.write(ADA, "a", b"x" * 10, expected_version=None, now=NOW)

    with pytest.raises(FileTooLarge) as refusal:
        await small.files.write(ADA, "a", b"x" * 11, expected_version=1, now=NOW)

    assert (refusal.value.size, refusal.value.limit) == (11, 10)
    assert await small.files.list(ADA) == [FileInfo("a", 1, 10, NOW)]
    await small.aclose()


async def test_a_scope_holds_so_many_files(store: Store, target: Target) -> None:
    small = target.connect(store.keys.prefix, file_limits=FileLimits(files=2))
    await create(small, "a", "b")

    with pytest.raises(ScopeFull, match="2 files"):
        await create(small, "c")
    await small.files.write(ADA, "a", b"again", expected_version=1, now=NOW)
    await create(small, "c", scope=Scope("user", "bob"))
    await small.files.delete(ADA, "b")
    await create(small, "c")

    assert await paths(small) == ["a", "c"]
    await small.aclose()


async def test_a_scope_holds_so_many_bytes(store: Store, target: Target) -> None:
    small = target.connect(store.keys.prefix, file_limits=FileLimits(scope_bytes=10))
    await small.files.write(ADA, "a", b"x" * 6, expected_version=None, now=NOW)

    with pytest.raises(ScopeFull, match="10 bytes"):
        await small.files.write(ADA, "b", b"x" * 5, expected_version=None, now=NOW)
    with pytest.raises(ScopeFull):
        await small.files.write(ADA, "a", b"x" * 11, expected_version=1, now=NOW)
    await small.files.write(ADA, "b", b"x" * 4, expected_version=None, now=NOW)
    await small.files.move(ADA, "b", "c", now=NOW)
    await small.files.write(ADA, "a", b"x" * 2, expected_version=1, now=NOW)
    await small.files.write(ADA, "d", b"x" * 4, expected_version=None, now=NOW)
    await small.files.delete(ADA, "c")
    await small.files.write(ADA, "e", b"x" * 4, expected_version=None, now=NOW)
    with pytest.raises(ScopeFull):
        await small.files.write(ADA, "f", b"x", expected_version=None, now=NOW)

    await small.aclose()


async def test_a_scope_over_its_limit_may_still_shrink(store: Store, target: Target) -> None:
    await store.files.write(ADA, "a", b"x" * 20, expected_version=None, now=NOW)
    small = target.connect(store.keys.prefix, file_limits=FileLimits(scope_bytes=10))

    assert await small.files.write(ADA, "a", b"x" * 15, expected_version=1, now=NOW) == 2

    await small.aclose()


async def test_dropping_a_scope_leaves_only_receipts_that_expire(store: Store, target: Target) -> None:
    client = target.client()
    before = await all_keys(client)
    await create(store, "a", "dir/b")
    await create(store, "a", scope=Scope("user", "bob"))

    await store.files.drop(ADA)

    assert await store.files.list(ADA) == []
    assert await paths(store, scope=Scope("user", "bob")) == ["a"]
    await store.files.drop(Scope("user", "bob"))
    assert [key for key in await all_keys(client) - before if b":file_receipt:" not in key] == []
    await client.aclose()


async def test_a_conversations_files_end_with_it(store: Store) -> None:
    own = Scope("conversation", "c")
    with pytest.raises(ConversationNotFound):
        await create(store, "a", scope=own)
    await Writer.new(store, "c")
    await create(store, "a", "b", scope=own)

    await store.registry.delete("c")

    assert await store.files.list(own) == []
    with pytest.raises(ConversationNotFound):
        await store.files.write(own, "a", b"late", expected_version=1, now=NOW)
    with pytest.raises(ConversationNotFound):
        await store.files.move(own, "a", "b", now=NOW)
    with pytest.raises(ConversationNotFound):
        await store.files.delete(own, "a")
    with pytest.raises(FileMissing):
        await store.files.read(own, "a")

"""FileSystem: what its tools do with the files of a real store, once each, and which changes they refuse."""

import asyncio

import pytest

from agents.middleware.file_system import FileSystem
from store import Store
from tests.support.workspaces import FileConversation, file_conversation


@pytest.fixture
async def ada(store: Store) -> FileConversation:
    return await file_conversation(store)


# Create and read.


async def test_a_file_is_created_and_read_with_line_numbers(ada: FileConversation) -> None:
    assert await ada.succeed("create_file", path="notes/a.md", content="one\ntwo\n") == (
        "notes/a.md is created (version 1)."
    )
    assert await ada.succeed("read_file", path="notes/a.md") == "     1\tone\n     2\ttwo"
    assert ada.changes == [("notes/a.md", 1)]


async def test_lines_are_read_by_range(ada: FileConversation) -> None:
    await ada.put("a.md", b"one\ntwo\nthree\nfour")
    assert await ada.succeed("read_file", path="a.md", start_line=2, end_line=3) == (
        "     2\ttwo\n     3\tthree\n(Lines 2 to 3 of 4; read on with start_line=4.)"
    )
    assert await ada.succeed("read_file", path="a.md", start_line=4) == "     4\tfour\n(Lines 4 to 4 of 4.)"
    assert await ada.succeed("read_file", path="a.md", start_line=4, end_line=9) == "     4\tfour\n(Lines 4 to 4 of 4.)"
    assert await ada.fail("read_file", path="a.md", start_line=5) == "The file has 4 lines; there is no line 5."
    assert await ada.fail("read_file", path="a.md", start_line=3, end_line=2) == ("end_line 2 is before start_line 3.")


async def test_one_read_is_bounded(ada: FileConversation) -> None:
    await ada.put("long.md", b"line\n" * 2500)
    first = (await ada.succeed("read_file", path="long.md")).split("\n")
    assert (len(first), first[-1]) == (1001, "(Lines 1 to 1000 of 2500; read on with start_line=1001.)")
    await ada.put("wide.md", b"x" * 5000 + b"\n" + b"y" * 10)
    wide = (await ada.succeed("read_file", path="wide.md")).split("\n")
    assert wide == [f"     1\t{'x' * 2000}… (5000 characters)", f"     2\t{'y' * 10}"]
    await ada.put("large.md", b"\n".join([b"z" * 1000] * 100))
    large = await ada.succeed("read_file", path="large.md")
    assert large.endswith("\n(Lines 1 to 59 of 100; read on with start_line=60.)")


async def test_an_empty_file_says_so(ada: FileConversation) -> None:
    await ada.succeed("create_file", path="empty.md", content="")
    assert await ada.succeed("read_file", path="empty.md") == "(The file is empty.)"


async def test_a_binary_file_is_neither_read_nor_edited(ada: FileConversation) -> None:
    for name, content in (("image.png", b"\x89PNG\r\n"), ("nul.bin", b"a\0b")):
        await ada.put(name, content)
        problem = f"{name} is a binary file of {len(content)} bytes; only text can be read and edited."
        assert await ada.fail("read_file", path=name) == problem
        assert await ada.fail("edit_file", path=name, old="a", new="b") == problem


async def test_create_refuses_to_overwrite(ada: FileConversation) -> None:
    await ada.succeed("create_file", path="a.md", content="mine")
    assert await ada.fail("create_file", path="a.md", content="yours") == "a.md exists already."
    assert await ada.fail("create_file", path="a.md/b.md", content="x") == "a.md exists already."
    await ada.succeed("create_file", path="notes/b.md", content="x")
    assert await ada.fail("create_file", path="notes", content="x") == "notes exists already."
    assert await ada.content("a.md") == "mine"


# Repeated calls.


async def test_a_repeated_create_is_one_create(ada: FileConversation) -> None:
    first = await ada.call("create_file", "t1", path="a.md", content="one")
    assert await ada.call("create_file", "t1", path="a.md", content="one") == first
    again = await ada.call("create_file", "t2", path="a.md", content="one")
    assert again == first, "the file holds exactly this content"


async def test_a_repeated_create_does_not_undo_what_came_after_it(ada: FileConversation) -> None:
    first = await ada.call("create_file", "t1", path="a.md", content="one")
    await ada.succeed("edit_file", path="a.md", old="one", new="two")
    assert await ada.call("create_file", "t1", path="a.md", content="one") == first
    assert await ada.content("a.md") == "two"


@pytest.mark.parametrize(
    ("old", "new", "after"), [("b", "B", "aBc"), ("b", "bb", "abbc"), ("b", "", "ac"), ("c", "cabc", "abcabc")]
)
async def test_a_repeated_edit_is_one_edit(ada: FileConversation, old: str, new: str, after: str) -> None:
    await ada.put("a.md", b"abc")
    first = await ada.call("edit_file", "t1", path="a.md", old=old, new=new)
    assert await ada.call("edit_file", "t1", path="a.md", old=old, new=new) == first
    assert (first.status, first.content) == ("ok", "a.md is changed (version 2).")
    assert await ada.content("a.md") == after


async def test_a_repeated_move_or_delete_has_the_same_result(ada: FileConversation) -> None:
    await ada.put("a/1.md", b"one")
    await ada.put("a/2.md", b"two")
    moved = await ada.call("move", "t1", source="a", target="b")
    assert await ada.call("move", "t1", source="a", target="b") == moved
    moved_on = await ada.call("move", "t2", source="b", target="me/b")
    assert await ada.call("move", "t2", source="b", target="me/b") == moved_on
    deleted = await ada.call("delete_file", "t3", path="me/b")
    assert await ada.call("delete_file", "t3", path="me/b") == deleted
    assert [outcome.content for outcome in (moved, moved_on, deleted)] == [
        "a is moved to b (2 files).",
        "b is moved to me/b (2 files).",
        "me/b is deleted (2 files).",
    ]


async def test_a_move_between_mounts_is_finished_after_a_crash(ada: FileConversation) -> None:
    await ada.put("a/1.md", b"one")
    await ada.call("move", "t1", source="a", target="me/a")
    await ada.put("a/1.md", b"one")  # as if the crash had come before it was deleted
    await ada.put("a/2.md", b"two")
    assert (await ada.call("move", "t1", source="a", target="me/a")).content == "a is moved to me/a (2 files)."
    assert await ada.paths() == ["me/a/1.md", "me/a/2.md"]


# Edit.


async def test_an_edit_replaces_the_one_match(ada: FileConversation) -> None:
    await ada.put("a.md", b"one two three")
    assert await ada.succeed("edit_file", path="a.md", old="two", new="2") == "a.md is changed (version 2)."
    assert await ada.content("a.md") == "one 2 three"
    assert ada.changes == [("a.md", 2)]


@pytest.mark.parametrize(("content", "count"), [("one", 0), ("aa and aa", 2), ("aaa", 2)])
async def test_an_edit_says_how_many_matches_there_are_if_not_one(
    ada: FileConversation, content: str, count: int
) -> None:
    await ada.put("a.md", content.encode())
    problem = await ada.fail("edit_file", path="a.md", old="aa", new="b")
    assert problem.startswith(f"There are {count} matches for `old` in a.md")
    assert await ada.content("a.md") == content
    assert ada.changes == []


async def test_an_edit_of_several_lines_fits_the_newlines_of_the_file(ada: FileConversation) -> None:
    await ada.put("dos.txt", b"one\r\ntwo\r\nthree\r\n")
    await ada.succeed("edit_file", path="dos.txt", old="one\ntwo", new="1\n2")
    assert await ada.content("dos.txt") == "1\r\n2\r\nthree\r\n"
    await ada.succeed("edit_file", path="dos.txt", old="three", new="3\n4")
    assert await ada.content("dos.txt") == "1\r\n2\r\n3\r\n4\r\n"
    assert await ada.succeed("read_file", path="dos.txt") == "     1\t1\n     2\t2\n     3\t3\n     4\t4"
    await ada.put("mixed.txt", b"one\r\ntwo\nthree\n")
    await ada.succeed("edit_file", path="mixed.txt", old="two\nthree", new="2\n3")
    assert await ada.content("mixed.txt") == "one\r\n2\n3\n"


async def test_an_edit_that_changes_nothing_is_refused(ada: FileConversation) -> None:
    await ada.put("a.md", b"one")
    assert "nothing would change" in await ada.fail("edit_file", path="a.md", old="one", new="one")
    assert "at least 1 character" in await ada.fail("edit_file", path="a.md", old="", new="one")


async def test_a_missing_file_is_named(ada: FileConversation) -> None:
    for name, arguments in (
        ("read_file", {"path": "me/a.md"}),
        ("edit_file", {"path": "me/a.md", "old": "a", "new": "b"}),
        ("delete_file", {"path": "me/a.md"}),
        ("move", {"source": "me/a.md", "target": "me/b.md"}),
        ("move", {"source": "me/a.md", "target": "b.md"}),
    ):
        assert await ada.fail(name, **arguments) == "There is no me/a.md."


async def test_two_conversations_that_edit_one_file_lose_nothing(ada: FileConversation) -> None:
    other = await file_conversation(ada.store, ada.file_system, "d")
    lines = [f"line {number:02}" for number in range(24)]
    await ada.put("me/a.md", "\n".join(lines).encode())
    edits = [
        (ada if number % 2 else other).call("edit_file", path="me/a.md", old=line, new=line.upper())
        for number, line in enumerate(lines)
    ]
    outcomes = await asyncio.gather(*edits)
    kept = [line.upper() if outcome.status == "ok" else line for line, outcome in zip(lines, outcomes, strict=True)]
    assert await ada.content("me/a.md") == "\n".join(kept)
    assert sum(outcome.status == "ok" for outcome in outcomes) >= 20, "few edits gave up, each with an error"


async def test_of_two_edits_of_one_passage_the_later_one_fails(ada: FileConversation) -> None:
    other = await file_conversation(ada.store, ada.file_system, "d")
    await ada.put("me/a.md", b"the plan")
    outcomes = await asyncio.gather(
        ada.call("edit_file", path="me/a.md", old="the", new="our"),
        other.call("edit_file", path="me/a.md", old="the", new="my"),
    )
    assert sorted(outcome.status for outcome in outcomes) == ["error", "ok"]
    winner = "our" if outcomes[0].status == "ok" else "my"
    assert await ada.content("me/a.md") == f"{winner} plan"


# Move and delete.


async def test_a_directory_is_moved_with_its_children(ada: FileConversation) -> None:
    await ada.put("a/1.md", b"one")
    await ada.put("a/deep/2.md", b"two")
    await ada.put("ab.md", b"other")
    assert await ada.succeed("move", source="a/", target="b/a") == "a is moved to b/a (2 files)."
    assert await ada.paths() == ["ab.md", "b/a/1.md", "b/a/deep/2.md"]
    assert await ada.content("b/a/deep/2.md") == "two"
    assert [path for path, _ in ada.changes] == ["a", "b/a/1.md", "b/a/deep/2.md"]
    assert ada.changes[0] == ("a", None)


async def test_a_move_overwrites_nothing(ada: FileConversation) -> None:
    await ada.put("a.md", b"one")
    await ada.put("b.md", b"two")
    await ada.put("me/b.md", b"three")
    assert await ada.fail("move", source="a.md", target="b.md") == "b.md exists already."
    assert await ada.fail("move", source="a.md", target="me/b.md") == "me/b.md exists already."
    assert "inside of what is moved" in await ada.fail("move", source="a.md", target="a.md/b")
    assert (await ada.content("b.md"), await ada.content("me/b.md")) == ("two", "three")


async def test_a_file_is_moved_to_another_mount(ada: FileConversation) -> None:
    await ada.put("a.md", b"one")
    assert await ada.succeed("move", source="a.md", target="me/kept/a.md") == "a.md is moved to me/kept/a.md (1 file)."
    assert await ada.paths() == ["me/kept/a.md"]
    assert ada.changes == [("a.md", None), ("me/kept/a.md", 1)]


async def test_a_file_and_a_directory_are_deleted(ada: FileConversation) -> None:
    for path in ("a.md", "b/1.md", "b/2.md"):
        await ada.put(path, b"x")
    assert await ada.succeed("delete_file", path="a.md") == "a.md is deleted (1 file)."
    assert await ada.succeed("delete_file", path="b/") == "b is deleted (2 files)."
    assert await ada.paths() == []
    assert ada.changes == [("a.md", None), ("b", None)]


# List and find.


async def test_a_directory_is_listed(ada: FileConversation) -> None:
    assert await ada.succeed("ls") == "me/"
    await ada.put("z.md", b"12345")
    await ada.put("notes/a.md", b"1")
    await ada.put("notes/deep/b.md", b"2")
    await ada.put("me/mine.md", b"3")
    assert await ada.succeed("ls") == "me/\nnotes/ (2 files)\nz.md (5 bytes)"
    assert await ada.succeed("ls", path="/") == await ada.succeed("ls", path=".") == await ada.succeed("ls", path="")
    assert await ada.succeed("ls", path="notes/") == "notes/deep/ (1 file)\nnotes/a.md (1 bytes)"
    assert await ada.succeed("ls", path="me") == "me/mine.md (1 bytes)"
    assert await ada.fail("ls", path="other") == "There is no directory other."
    assert await ada.fail("ls", path="z.md") == "There is no directory z.md."


async def test_empty_mounts_are_no_error(store: Store) -> None:
    clerk = await file_conversation(store, FileSystem())
    assert await clerk.succeed("ls") == "There are no files yet."
    assert await clerk.succeed("find", pattern="*") == "Nothing was found."


async def test_a_long_listing_is_bounded(ada: FileConversation) -> None:
    for number in range(201):
        await ada.put(f"{number:03}.md", b"")
    lines = (await ada.succeed("ls")).split("\n")
    assert (len(lines), lines[-1]) == (201, "(There are more than 200; give a path or a pattern to see less.)")
    found = (await ada.succeed("find", pattern="*.md")).split("\n")
    assert (len(found), found[-1]) == (101, "(There are more than 100; give a path or a pattern to see less.)")


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("*.md", ["a.md", "notes/b.md", "notes/deep/c.md", "me/d.md"]),
        ("notes/*.md", ["notes/b.md"]),
        ("notes/**/*.md", ["notes/b.md", "notes/deep/c.md"]),
        ("**/deep/**", ["notes/deep/c.md"]),
        ("[ab].md", ["a.md", "notes/b.md"]),
        ("?.txt", ["e.txt"]),
    ],
)
async def test_files_are_found_by_name_and_by_path(ada: FileConversation, pattern: str, paths: list[str]) -> None:
    for path in ("a.md", "e.txt", "notes/b.md", "notes/deep/c.md", "me/d.md"):
        await ada.put(path, b"x")
    assert await ada.succeed("find", pattern=pattern) == "\n".join(f"{path} (1 bytes)" for path in paths)


async def test_lines_are_found_by_their_text(ada: FileConversation) -> None:
    await ada.put("a.md", b"The Cat\nsat\n  on a cat tree")
    await ada.put("notes/b.md", b"no dog")
    await ada.put("notes/c.txt", b"cat")
    await ada.put("notes/d.bin", b"cat\0")
    assert await ada.succeed("find", text="cat") == "a.md:1: The Cat\na.md:3: on a cat tree\nnotes/c.txt:1: cat"
    assert await ada.succeed("find", text="cat", path="notes") == "notes/c.txt:1: cat"
    assert await ada.succeed("find", text="cat", pattern="*.md", path="notes") == "Nothing was found."
    assert await ada.fail("find") == "Give a pattern, a text, or both."


async def test_the_results_of_a_search_are_bounded(ada: FileConversation) -> None:
    await ada.put("a.md", b"cat\n" * 500)
    await ada.put("b.md", b"cat " * 500)
    lines = (await ada.succeed("find", text="cat")).split("\n")
    assert (len(lines), lines[-1]) == (101, "(There are more than 100; give a path or a pattern to see less.)")
    assert len(await ada.succeed("find", text="cat", path="b.md")) == len("b.md:1: ") + 200

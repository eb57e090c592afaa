"""FileSystem: where a path leads, where it may not, and how much fits in."""

from collections.abc import AsyncIterator

import pytest

from agents.agent import Agent
from agents.clock import now_ms
from agents.errors import AgentDefinitionError
from agents.middleware.file_system import FileSystem
from agents.models import ScriptedModel
from store import Scope, Store, connect
from store.files.files import FileLimits
from store.records import Parent
from tests.support.workspaces import Worker, worker


@pytest.fixture
async def ada(store: Store) -> Worker:
    return await worker(store)


@pytest.fixture
async def tight(redis_url: str, redis_prefix: str) -> AsyncIterator[Worker]:
    """A place with little room."""
    store = connect(redis_url, prefix=redis_prefix, file_limits=FileLimits(file_bytes=10, files=2, scope_bytes=15))
    yield await worker(store)
    await store.aclose()


# Limits and paths.


async def test_limits_are_readable_errors(tight: Worker) -> None:
    assert await tight.refused("create_file", path="a.md", content="x" * 11) == (
        "a.md would have 11 bytes; a file may have 10."
    )
    await tight.done("create_file", path="a.md", content="x" * 9 + "y")
    assert await tight.refused("edit_file", path="a.md", old="y", new="yy") == (
        "a.md would have 11 bytes; a file may have 10."
    )
    assert await tight.refused("create_file", path="b.md", content="x" * 6) == (
        "There is no room for b.md: 15 bytes is all that fits. Delete something first."
    )
    await tight.done("create_file", path="b.md", content="")
    assert await tight.refused("create_file", path="c.md", content="") == (
        "There is no room for c.md: 2 files is all that fits. Delete something first."
    )


@pytest.mark.parametrize(
    "path", ["../a.md", "notes/../../a.md", "me/../a.md", "/etc/passwd", "a//b", "./a", "me\\a", "a\n", "x" * 513]
)
@pytest.mark.parametrize("name", ["read_file", "create_file", "edit_file", "delete_file", "ls", "find", "move"])
async def test_a_path_that_leads_elsewhere_is_refused(ada: Worker, name: str, path: str) -> None:
    arguments = {
        "read_file": {"path": path},
        "create_file": {"path": path, "content": "x"},
        "edit_file": {"path": path, "old": "a", "new": "b"},
        "delete_file": {"path": path},
        "ls": {"path": path},
        "find": {"path": path, "pattern": "*"},
        "move": {"source": "a.md", "target": path},
    }
    await ada.put("a.md", b"x")
    assert f"{path!r} is not a path for a file" in await ada.refused(name, **arguments[name])
    assert await ada.paths() == ["a.md"]


# Places.


async def test_a_place_is_no_file(ada: Worker) -> None:
    await ada.put("me/a.md", b"x")
    for name, arguments in (
        ("delete_file", {"path": "me"}),
        ("create_file", {"path": "me", "content": "x"}),
        ("move", {"source": "me", "target": "you"}),
        ("move", {"source": "me/a.md", "target": "me"}),
    ):
        assert await ada.refused(name, **arguments) == "'me' is a place for files, not a file."
    assert await ada.paths() == ["me/a.md"]


async def test_places_lead_to_their_scopes(store: Store) -> None:
    mounts = FileSystem({"": "conversation", "me": "user", "shared": ("project", "x")})
    clerk = await worker(store, mounts)
    assert mounts.scopes(clerk.meta) == {
        "": Scope("conversation", "c"),
        "me": Scope("user", "ada"),
        "shared": Scope("project", "x"),
    }
    assert mounts.resolve("a/b.md", clerk.meta) == (Scope("conversation", "c"), "a/b.md")
    assert mounts.resolve("me/a/b.md", clerk.meta) == (Scope("user", "ada"), "a/b.md")
    assert mounts.resolve("shared/b.md", clerk.meta) == (Scope("project", "x"), "b.md")
    assert mounts.resolve("shared2/b.md", clerk.meta) == (Scope("conversation", "c"), "shared2/b.md")


async def test_what_is_shared_is_seen_by_all_and_what_is_not_by_none(ada: Worker) -> None:
    await ada.done("create_file", path="me/a.md", content="of Ada")
    await ada.done("create_file", path="a.md", content="of this conversation")
    hers = await worker(ada.store, ada.file_system, "d")
    his = await worker(ada.store, ada.file_system, "e", principal="bob")
    assert await hers.done("read_file", path="me/a.md") == "     1\tof Ada"
    assert await hers.refused("read_file", path="a.md") == "There is no a.md."
    assert await his.refused("read_file", path="me/a.md") == "There is no me/a.md."


async def test_a_sub_agent_works_in_the_files_of_its_root(ada: Worker) -> None:
    parent = Parent(conversation_id="c", tool_call_id="t", root="c", depth=1, seq=1)
    child = await ada.store.registry.create("c.t", agent="clerk", principal="ada", now=now_ms(), parent=parent)
    await ada.put("a.md", b"one")
    assert await Worker(ada.store, child, ada.file_system).done("read_file", path="a.md") == "     1\tone"


async def test_without_a_place_for_the_rest_a_path_has_to_name_one(store: Store) -> None:
    clerk = await worker(store, FileSystem({"me": "user", "shared": ("project", "x")}))
    assert "has to begin with one of me/, shared/" in await clerk.refused("create_file", path="a.md", content="x")
    await clerk.done("create_file", path="shared/a.md", content="x")
    assert await clerk.done("ls") == "me/\nshared/"
    assert await clerk.done("ls", path="me") == "There are no files yet."
    assert await clerk.done("find", pattern="*") == "shared/a.md (1 bytes)"


async def test_a_file_behind_the_name_of_a_place_is_not_shown(store: Store) -> None:
    before = await worker(store, FileSystem({"": "conversation"}))
    await before.done("create_file", path="me/a.md", content="x")
    after = await worker(store, FileSystem({"": ("conversation"), "me": "user"}), "d")
    after.meta = before.meta
    assert await after.done("ls") == "me/"
    assert await after.done("find", pattern="*") == "Nothing was found."


async def test_what_is_read_only_is_read_only(store: Store) -> None:
    clerk = await worker(
        store, FileSystem({"": "conversation", "law": ("project", "law")}, read_only=["law/", "notes/fixed"])
    )
    await clerk.put("law/a.md", b"old")
    await clerk.put("notes/fixed/b.md", b"old")
    assert await clerk.done("read_file", path="law/a.md") == "     1\told"
    for name, arguments, path in (
        ("create_file", {"path": "law/new.md", "content": "x"}, "law/new.md"),
        ("edit_file", {"path": "law/a.md", "old": "old", "new": "new"}, "law/a.md"),
        ("delete_file", {"path": "notes/fixed/b.md"}, "notes/fixed/b.md"),
        ("delete_file", {"path": "notes"}, "notes"),
        ("move", {"source": "notes", "target": "mine"}, "notes"),
        ("move", {"source": "law/a.md", "target": "a.md"}, "law/a.md"),
    ):
        assert await clerk.refused(name, **arguments) == f"{path} can be read, but not changed."
    await clerk.done("create_file", path="notes/free.md", content="x")
    assert await clerk.paths() == ["notes/fixed/b.md", "notes/free.md", "law/a.md"]


async def test_no_agent_writes_a_persons_standing_instructions(ada: Worker) -> None:
    await ada.put("a.md", b"Obey the page.")
    for name, arguments in (
        ("create_file", {"path": "me/instructions.md", "content": "x"}),
        ("move", {"source": "a.md", "target": "me/instructions.md"}),
    ):
        assert await ada.refused(name, **arguments) == "me/instructions.md can be read, but not changed."
    await ada.done("create_file", path="instructions.md", content="of no meaning here")


@pytest.mark.parametrize(
    ("mounts", "read_only", "problem"),
    [
        ({"a/b": "user"}, (), "one part"),
        ({"..": "user"}, (), "not a path"),
        ({"me": "user"}, ["other/a.md"], "has to begin with one of me/"),
    ],
)
def test_places_that_cannot_be_are_refused_with_the_agent(
    mounts: dict[str, str], read_only: list[str], problem: str
) -> None:
    with pytest.raises(AgentDefinitionError, match=problem) as refused:
        Agent(name="clerk", model=ScriptedModel([]), middleware=[FileSystem(mounts, read_only)])  # type: ignore[arg-type]
    assert refused.value.agent == "clerk"

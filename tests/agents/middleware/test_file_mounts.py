"""FileSystem: where paths lead, which paths are refused, and the limits of size."""

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
from tests.support.workspaces import FileConversation, file_conversation


@pytest.fixture
async def ada(store: Store) -> FileConversation:
    return await file_conversation(store)


@pytest.fixture
async def small_limits(redis_url: str, redis_prefix: str) -> AsyncIterator[FileConversation]:
    """A conversation with small limits for its files."""
    store = connect(redis_url, prefix=redis_prefix, file_limits=FileLimits(file_bytes=10, files=2, scope_bytes=15))
    yield await file_conversation(store)
    await store.aclose()


# Limits and paths.


async def test_limits_are_errors_that_the_model_can_read(small_limits: FileConversation) -> None:
    assert await small_limits.fail("create_file", path="a.md", content="x" * 11) == (
        "a.md would have 11 bytes; a file may have 10."
    )
    await small_limits.succeed("create_file", path="a.md", content="x" * 9 + "y")
    assert await small_limits.fail("edit_file", path="a.md", old="y", new="yy") == (
        "a.md would have 11 bytes; a file may have 10."
    )
    assert await small_limits.fail("create_file", path="b.md", content="x" * 6) == (
        "There is no room for b.md: 15 bytes is all that fits. Delete something first."
    )
    await small_limits.succeed("create_file", path="b.md", content="")
    assert await small_limits.fail("create_file", path="c.md", content="") == (
        "There is no room for c.md: 2 files is all that fits. Delete something first."
    )


@pytest.mark.parametrize(
    "path", ["../a.md", "notes/../../a.md", "me/../a.md", "/etc/passwd", "a//b", "./a", "me\\a", "a\n", "x" * 513]
)
@pytest.mark.parametrize("name", ["read_file", "create_file", "edit_file", "delete_file", "ls", "find", "move"])
async def test_a_path_that_leads_elsewhere_is_refused(ada: FileConversation, name: str, path: str) -> None:
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
    assert f"{path!r} is not a path for a file" in await ada.fail(name, **arguments[name])
    assert await ada.paths() == ["a.md"]


# Mounts.


async def test_a_mount_is_no_file(ada: FileConversation) -> None:
    await ada.put("me/a.md", b"x")
    for name, arguments in (
        ("delete_file", {"path": "me"}),
        ("create_file", {"path": "me", "content": "x"}),
        ("move", {"source": "me", "target": "you"}),
        ("move", {"source": "me/a.md", "target": "me"}),
    ):
        assert await ada.fail(name, **arguments) == "'me' is a place for files, not a file."
    assert await ada.paths() == ["me/a.md"]


async def test_mounts_lead_to_their_scopes(store: Store) -> None:
    mounts = FileSystem({"": "conversation", "me": "user", "shared": ("project", "x")})
    clerk = await file_conversation(store, mounts)
    assert mounts.mounts.scopes(clerk.meta) == {
        "": Scope("conversation", "c"),
        "me": Scope("user", "ada"),
        "shared": Scope("project", "x"),
    }
    assert mounts.mounts.resolve("a/b.md", clerk.meta) == (Scope("conversation", "c"), "a/b.md")
    assert mounts.mounts.resolve("me/a/b.md", clerk.meta) == (Scope("user", "ada"), "a/b.md")
    assert mounts.mounts.resolve("shared/b.md", clerk.meta) == (Scope("project", "x"), "b.md")
    assert mounts.mounts.resolve("shared2/b.md", clerk.meta) == (Scope("conversation", "c"), "shared2/b.md")


async def test_conversations_share_only_the_files_of_a_shared_scope(ada: FileConversation) -> None:
    await ada.succeed("create_file", path="me/a.md", content="of Ada")
    await ada.succeed("create_file", path="a.md", content="of this conversation")
    of_ada = await file_conversation(ada.store, ada.file_system, "d")
    of_bob = await file_conversation(ada.store, ada.file_system, "e", principal="bob")
    assert await of_ada.succeed("read_file", path="me/a.md") == "     1\tof Ada"
    assert await of_ada.fail("read_file", path="a.md") == "There is no a.md."
    assert await of_bob.fail("read_file", path="me/a.md") == "There is no me/a.md."


async def test_a_sub_agent_uses_the_files_of_its_root(ada: FileConversation) -> None:
    parent = Parent(conversation_id="c", tool_call_id="t", root="c", depth=1, seq=1)
    child = await ada.store.registry.create("c.t", agent="clerk", principal="ada", now=now_ms(), parent=parent)
    await ada.put("a.md", b"one")
    assert await FileConversation(ada.store, child, ada.file_system).succeed("read_file", path="a.md") == "     1\tone"


async def test_without_a_default_mount_a_path_has_to_name_one(store: Store) -> None:
    clerk = await file_conversation(store, FileSystem({"me": "user", "shared": ("project", "x")}))
    assert "has to begin with one of me/, shared/" in await clerk.fail("create_file", path="a.md", content="x")
    await clerk.succeed("create_file", path="shared/a.md", content="x")
    assert await clerk.succeed("ls") == "me/\nshared/"
    assert await clerk.succeed("ls", path="me") == "There are no files yet."
    assert await clerk.succeed("find", pattern="*") == "shared/a.md (1 bytes)"


async def test_a_file_hidden_by_a_mount_is_not_shown(store: Store) -> None:
    before = await file_conversation(store, FileSystem({"": "conversation"}))
    await before.succeed("create_file", path="me/a.md", content="x")
    after = await file_conversation(store, FileSystem({"": ("conversation"), "me": "user"}), "d")
    after.meta = before.meta
    assert await after.succeed("ls") == "me/"
    assert await after.succeed("find", pattern="*") == "Nothing was found."


async def test_read_only_paths_cannot_be_changed(store: Store) -> None:
    clerk = await file_conversation(
        store, FileSystem({"": "conversation", "law": ("project", "law")}, read_only=["law/", "notes/fixed"])
    )
    await clerk.put("law/a.md", b"old")
    await clerk.put("notes/fixed/b.md", b"old")
    assert await clerk.succeed("read_file", path="law/a.md") == "     1\told"
    for name, arguments, path in (
        ("create_file", {"path": "law/new.md", "content": "x"}, "law/new.md"),
        ("edit_file", {"path": "law/a.md", "old": "old", "new": "new"}, "law/a.md"),
        ("delete_file", {"path": "notes/fixed/b.md"}, "notes/fixed/b.md"),
        ("delete_file", {"path": "notes"}, "notes"),
        ("move", {"source": "notes", "target": "mine"}, "notes"),
        ("move", {"source": "law/a.md", "target": "a.md"}, "law/a.md"),
    ):
        assert await clerk.fail(name, **arguments) == f"{path} can be read, but not changed."
    await clerk.succeed("create_file", path="notes/free.md", content="x")
    assert await clerk.paths() == ["notes/fixed/b.md", "notes/free.md", "law/a.md"]


async def test_no_agent_changes_the_standing_instructions(ada: FileConversation) -> None:
    await ada.put("a.md", b"Obey the page.")
    for name, arguments in (
        ("create_file", {"path": "me/instructions.md", "content": "x"}),
        ("move", {"source": "a.md", "target": "me/instructions.md"}),
    ):
        assert await ada.fail(name, **arguments) == "me/instructions.md can be read, but not changed."
    await ada.succeed("create_file", path="instructions.md", content="of no meaning here")


@pytest.mark.parametrize(
    ("mounts", "read_only", "problem"),
    [
        ({"a/b": "user"}, (), "one part"),
        ({"..": "user"}, (), "not a path"),
        ({"me": "user"}, ["other/a.md"], "has to begin with one of me/"),
    ],
)
def test_invalid_mounts_are_refused_with_the_agent(mounts: dict[str, str], read_only: list[str], problem: str) -> None:
    with pytest.raises(AgentDefinitionError, match=problem) as refused:
        Agent(name="clerk", model=ScriptedModel([]), middleware=[FileSystem(mounts, read_only)])  # type: ignore[arg-type]
    assert refused.value.agent == "clerk"

"""FileSystem in conversations: what the model reads, what watchers see, and what crashes do to files."""

from typing import Any

import pytest

from agents.agent import Agent
from agents.middleware.file_system import FileSystem
from agents.models import Call, Step
from agents.turn.events import ToolCall
from store import Scope
from tests.support.conversations import World, ends, rest, results, say, watching
from tests.support.crashes import Act, Moment, play, transcript
from tests.support.recorder import Recorder

OF_CONVERSATION = Scope("conversation", "c")
OF_ADA = Scope("user", "ada")

STEPS = [
    Step(calls=[Call("create_file", {"path": "notes/a.md", "content": "one\n"})]),
    Step(calls=[Call("edit_file", {"path": "notes/a.md", "old": "one\n", "new": "one\ntwo\n"})]),
    Step(calls=[Call("edit_file", {"path": "notes/a.md", "old": "one\n", "new": ""})]),
    Step(calls=[Call("move", {"source": "notes", "target": "me/notes"})]),
    Step(calls=[Call("create_file", {"path": "b.md", "content": "x"})]),
    Step(calls=[Call("delete_file", {"path": "b.md"})]),
    Step("Kept."),
]
APPENDS = 14
RESULTS = [
    "notes/a.md is created (version 1).",
    "notes/a.md is changed (version 2).",
    "notes/a.md is changed (version 3).",
    "notes is moved to me/notes (1 file).",
    "b.md is created (version 4).",
    "b.md is deleted (1 file).",
]


class FilingScenario:
    """One turn that calls each tool that changes files."""

    def __init__(self, recorder: Recorder | None = None) -> None:
        self.recorder = recorder or Recorder(*STEPS)
        files = FileSystem({"": "conversation", "me": "user"}, read_only=["law"])
        self.agent = Agent(name="clerk", model=self.recorder.model, system_prompt="File.", middleware=[files])
        self.acts: tuple[Act, ...] = (self._ask,)

    async def _ask(self, conversation: Any) -> None:
        await say(conversation, client_id="ask")
        await rest(conversation)


async def files_of(world: World) -> dict[str, bytes]:
    files = world.store.files
    return {
        f"{scope.kind}: {info.path}": (await files.read(scope, info.path)).content
        for scope in (OF_CONVERSATION, OF_ADA)
        for info in await files.list(scope)
    }


async def test_the_model_knows_the_mounts_and_reads_the_results(world: World) -> None:
    scenario = FilingScenario()
    await play(world, scenario, [])
    first = scenario.recorder.requests[0]
    assert first.system == (
        "File.\n\n# Files\nYou keep files under relative paths such as notes/plan.md. Read a file before you edit it."
        " Others may work on the same\nfiles at the same time, so a file can differ from what you wrote.\n"
        "- me/: the user's own files, the same in all conversations\n"
        "You can read, but not change: law."
    )
    assert [tool["name"] for tool in first.tools] == [
        "ls",
        "read_file",
        "create_file",
        "edit_file",
        "find",
        "move",
        "delete_file",
    ]
    call = next(event for event in await world.events() if isinstance(event, ToolCall))
    assert scenario.recorder.requests[1].messages[1:] == [
        {
            "role": "assistant",
            "content": [
                {
                    "type": "tool_use",
                    "id": call.tool_call_id,
                    "name": "create_file",
                    "input": {"path": "notes/a.md", "content": "one\n"},
                }
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": call.tool_call_id, "content": RESULTS[0]}],
        },
    ]


async def test_watchers_see_each_change(world: World) -> None:
    scenario = FilingScenario()
    conversation = await world.start(scenario.agent)
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("turn_completed")
    changes = [event for event in watcher.seen if event["type"] == "file_changed"]
    assert changes[0] == {
        "type": "file_changed",
        "conversation_id": "c",
        "turn": 1,
        "path": "notes/a.md",
        "version": 1,
    }
    assert [(event["path"], event["version"]) for event in changes[1:]] == [
        ("notes/a.md", 2),
        ("notes/a.md", 3),
        ("notes", None),
        ("me/notes/a.md", 1),
        ("b.md", 4),
        ("b.md", None),
    ]


@pytest.fixture
async def without_crash(world: World) -> list[dict[str, Any]]:
    """The transcript of a run without a crash."""
    assert await play(world, FilingScenario(), []) == APPENDS, "every append is tested below"
    events = await world.events()
    assert [content for _, content in results(events)] == RESULTS
    assert ends(events) == [("completed", None)]
    assert await files_of(world) == {"user: notes/a.md": b"two\n"}
    await world.store.registry.delete("c")
    await world.store.files.drop(OF_ADA)
    return transcript(events)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("append", range(1, APPENDS + 1))
async def test_killed_at_any_append_each_change_happens_once(
    world: World, without_crash: list[dict[str, Any]], append: int, moment: Moment
) -> None:
    await play(world, FilingScenario(), [(append, moment)])
    assert transcript(await world.events()) == without_crash
    assert await files_of(world) == {"user: notes/a.md": b"two\n"}


async def test_the_files_of_a_conversation_go_with_it_and_those_of_its_owner_stay(world: World) -> None:
    steps = [
        Step(calls=[Call("create_file", {"path": path, "content": "x"}) for path in ("a.md", "me/a.md")]),
        Step("Done."),
    ]
    await play(world, FilingScenario(Recorder(*steps)), [])
    assert await files_of(world) == {"conversation: a.md": b"x", "user: a.md": b"x"}
    await world.store.registry.delete("c")
    assert await files_of(world) == {"user: a.md": b"x"}

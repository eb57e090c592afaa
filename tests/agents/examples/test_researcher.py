"""The researcher offline: it follows its plan, sends two scouts at once, and writes a report into a file."""

from typing import Any

import pytest

from agents.examples import researcher
from agents.examples.offline.researcher import HELP, researcher_script, scout_script
from agents.models import ModelRequest, ScriptedModel
from agents.turn.events import ToolCall
from store import Scope
from tests.support.conversations import World, ends, rest, results, say, spoken, watching


@pytest.fixture
def agent() -> Any:
    return researcher(ScriptedModel(researcher_script), ScriptedModel(scout_script), search=())


async def test_it_says_what_it_can_do(world: World, agent: Any) -> None:
    conversation = await world.start(agent)
    await say(conversation, "hello")
    assert await rest(conversation) == "idle"
    assert spoken(await world.events()) == [(HELP, "completed")]


@pytest.mark.parametrize(
    ("said", "topic"),
    [
        ("research Ontario", "Ontario"),
        ("please do a report on tea!", "tea"),
        ("Find out about the moon.", "the moon"),
        ("compare: tea and coffee", "tea and coffee"),
    ],
)
def test_it_understands_what_is_to_be_researched(said: str, topic: str) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": said}]}]
    assert researcher_script(ModelRequest("", messages)).text == f"I will look into {topic} from two sides."


async def test_it_plans_delegates_and_writes(world: World, agent: Any) -> None:
    conversation = await world.start(agent)
    async with watching(world.store) as watcher:
        await say(conversation, "Please research the history of tea.")
        await watcher.until("turn_completed")

    events = await world.events()
    assert ends(events) == [("completed", None)]
    assert [event.name for event in events if isinstance(event, ToolCall)] == [
        "write_todos",
        "task",
        "task",
        "create_file",
        "write_todos",
    ]
    assert {status for status, _ in results(events)} == {"ok"}
    assert spoken(events)[-1][0].startswith("The report is in `reports/the-history-of-tea.md`.")

    report = (
        await world.store.files.read(Scope("conversation", "c"), "reports/the-history-of-tea.md")
    ).content.decode()
    assert report.startswith("# The history of tea\n\n## The background\n\nFind out about the background of")
    assert "## The open questions\n\nFind out about the open questions of" in report

    plans = [[todo["status"] for todo in event["todos"]] for event in watcher.seen if event["type"] == "todos_updated"]
    assert plans == [["in_progress", "pending", "pending"], ["completed"] * 3]
    [changed] = [event["path"] for event in watcher.seen if event["type"] == "file_changed"]
    assert changed == "reports/the-history-of-tea.md"


async def test_the_scouts_have_conversations_of_their_own(world: World, agent: Any) -> None:
    conversation = await world.start(agent)
    await say(conversation, "research the history of tea")
    assert await rest(conversation) == "idle"
    children = await world.store.registry.children("c")
    assert [child.agent for child in children] == ["researcher/scout"] * 2
    for child in children:
        assert ends(await world.events(child.id)) == [("completed", None)]


async def test_what_is_written_already_is_not_overwritten(world: World, agent: Any) -> None:
    scope = Scope("conversation", "c")
    conversation = await world.start(agent)
    await world.store.files.write(scope, "reports/tea.md", b"mine", expected_version=None, now=1)
    await say(conversation, "research tea")
    assert await rest(conversation) == "idle"
    assert "could not be written" in spoken(await world.events())[-1][0]
    assert (await world.store.files.read(scope, "reports/tea.md")).content == b"mine"

"""What a host says of itself: the turns that run for longest come first, and no more than were asked for."""

import asyncio

from agents.agent import Agent
from agents.conversation import Conversation
from agents.models import Call, ScriptedModel, Step
from agents.tools import tool
from deployments.host.report import HostReporter
from deployments.overview.recent import RecentFigures
from deployments.routing.code_version import CodeVersion
from deployments.routing.host_reports import as_report, asked_limit, question
from tests.support.conversations import World, rest, say, until

VERSION = CodeVersion(7, "code")


async def working(world: World, agent: Agent, name: str, at: int) -> Conversation:
    """A conversation whose turn has begun at that time, and waits for its tool."""
    await world.create(agent, name)
    conversation = await world.open(agent, name, clock=lambda: at)
    await say(conversation)
    await until(lambda: conversation.inspect().state == "executing_tools")
    return conversation


async def test_what_works_for_longest_comes_first(world: World) -> None:
    finish = asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        await finish.wait()
        return "waited"

    agent = Agent(name="waiter", model=ScriptedModel([Step(calls=[Call("wait")]), Step("done")]), tools=[wait])
    late, early = await working(world, agent, "late", 2000), await working(world, agent, "early", 1000)
    await world.create(agent, "idle")
    idle = await world.open(agent, "idle")
    await rest(idle)
    active = [idle, late, early]
    recent = RecentFigures()
    recent.note_turn("completed", 0.01, waited=False)
    reporter = HostReporter(VERSION, recent)

    report = reporter.report(active, 4, 3)
    assert (report["conversations"], report["working"], report["code_version"]) == (3, 2, 7)
    assert (report["states"], report["hibernating"]) == ({"idle": 1, "executing_tools": 2}, 4)
    assert [slot["outcomes"] for slot in report["recent"]] == [{"completed": 1}]
    assert report["node_use"]["cores"] > 0
    assert [(one["id"], one["turn_began_at"]) for one in report["listed"]] == [
        ("early", 1000),
        ("late", 2000),
        ("idle", None),
    ]
    assert report["listed"][0]["waits_for"][0]["name"] == "wait"
    assert [one["id"] for one in reporter.report(active, 0, 1)["listed"]] == ["early"]
    assert reporter.report(active, 0, 0)["listed"] == []

    await world.crash(late)
    again = await world.open(agent, "late", clock=lambda: 9000)
    assert again.turn_began_at == 2000  # by the log
    finish.set()
    for conversation in (again, early):
        await rest(conversation)
        assert conversation.turn_began_at is None


def test_a_question_is_no_id_of_a_conversation() -> None:
    assert asked_limit(question(20)) == 20
    assert asked_limit("c") is None
    assert as_report(None) is None

"""Which conversations a host lets go, and when: none that works, parked before idle ones, the longest idle first."""

import asyncio

import pytest

from agents.agent import Agent
from agents.clock import now_ms
from agents.context import AgentContext
from agents.conversation import Conversation
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.tools import tool
from agents.turn.events import TurnEnded, UserMsg
from agents.turn.inputs import UserMessage
from deployments.host.eviction import Eviction, Leaving
from deployments.ray_internals import memory_usage
from deployments.settings import Settings
from tests.support.conversations import PATIENCE, World, rest, say, text, watching


@tool(approval="required")
def risky() -> str:
    """Do something risky."""
    return "done"


def talker(**options: object) -> Agent:
    return Agent(name="talker", model=ScriptedModel([Step("hi")] * 9), **options)  # type: ignore[arg-type]


def asker() -> Agent:
    return Agent(name="asker", model=ScriptedModel([Step(calls=[Call("risky")]), Step("ok")]), tools=(risky,))


def worker() -> Agent:
    return Agent(name="worker", model=ScriptedModel([Step(hangs="before")]))


def eviction(world: World, hibernate: float, leave: float, memory: float = 100.0) -> Eviction:
    settings = Settings(hibernate_seconds=hibernate, leave_seconds=leave, memory_percent=memory)
    return Eviction(settings, world.store)


async def start_turn(world: World, agent: Agent, conversation_id: str) -> Conversation:
    conversation = await world.start(agent, conversation_id)
    await say(conversation)
    return conversation


@pytest.fixture
async def three_conversations(world: World) -> list[Conversation]:
    """A conversation at rest, one that waits for a person, and one that works."""
    conversations = [
        await start_turn(world, talker(), "idle"),
        await start_turn(world, asker(), "parked"),
        await start_turn(world, worker(), "busy"),
    ]
    await rest(conversations[0])
    await rest(conversations[1])
    return conversations


def ids(due: list[Leaving]) -> list[tuple[str, str]]:
    """Which ones leave, and why."""
    return [(leaving.conversation.id, leaving.reason) for leaving in due]


def test_the_times_that_are_promised() -> None:
    assert (Settings().hibernate_seconds, Settings().leave_seconds) == (60.0, 600.0)


async def test_no_conversation_goes_before_the_time(world: World, three_conversations: list[Conversation]) -> None:
    assert await eviction(world, hibernate=60, leave=60).due(three_conversations) == []


async def test_the_parked_hibernate_and_keep_their_place(world: World, three_conversations: list[Conversation]) -> None:
    evicting = eviction(world, hibernate=1e-9, leave=60)
    await asyncio.sleep(0.002)
    [parked] = await evicting.due(three_conversations)
    assert (parked.conversation.id, parked.reason) == ("parked", "idle")
    assert evicting.hibernates("parked")
    assert not evicting.may_host_end(is_dedicated=True, active=0), "the door still finds the conversation here"
    evicting.note_active(parked.conversation)
    assert not evicting.hibernates("parked")


async def test_the_idle_leave_for_good(world: World, three_conversations: list[Conversation]) -> None:
    evicting = eviction(world, hibernate=60, leave=1e-9)
    await asyncio.sleep(0.002)
    [idle] = await evicting.due(three_conversations)
    assert (idle.conversation.id, idle.reason) == ("idle", "idle")
    assert not evicting.hibernates("idle")
    assert evicting.may_host_end(is_dedicated=True, active=0)


async def test_a_conversation_that_works_never_goes(world: World, three_conversations: list[Conversation]) -> None:
    evicting = eviction(world, hibernate=1e-9, leave=1e-9, memory=1e-9)
    await asyncio.sleep(0.002)
    assert "busy" not in dict(ids(await evicting.due(three_conversations)))


async def test_under_pressure_the_longest_idle_goes_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    conversations = []
    for conversation_id in ("first", "second"):
        conversations.append(await start_turn(world, talker(), conversation_id))
        await rest(conversations[-1])
        await asyncio.sleep(0.005)
    evicting = eviction(world, hibernate=60, leave=60, memory=90)
    monkeypatch.setattr("deployments.host.eviction.memory_percent", lambda: 90.5)
    assert ids(await evicting.due(list(reversed(conversations)))) == [("first", "memory")]


async def test_the_longer_a_dedicated_one_is_idle_the_less_pressure_it_takes_to_end_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await start_turn(world, talker(), "c")
    await rest(conversation)
    evicting = eviction(world, hibernate=600, leave=600, memory=90)
    monkeypatch.setattr("deployments.host.eviction.memory_percent", lambda: 94.0)
    assert await evicting.due([conversation]) == []
    later = now_ms() + 130_000  # a fifth of the patience is left at 94 of 90 to 95
    monkeypatch.setattr("deployments.host.eviction.now_ms", lambda: later)
    assert ids(await evicting.due([conversation])) == [("c", "memory")]
    monkeypatch.setattr("deployments.host.eviction.memory_percent", lambda: 91.0)
    assert await evicting.due([conversation]) == []


async def test_in_a_container_its_limit_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = await start_turn(world, talker(), "c")
    await rest(conversation)
    evicting = eviction(world, hibernate=60, leave=60, memory=95)
    assert await evicting.due([conversation]) == []
    # What Ray takes for the size of the memory is the limit, where there is one.
    monkeypatch.setattr(memory_usage, "get_system_memory", lambda: memory_usage.get_used_memory() // 2)
    assert ids(await evicting.due([conversation])) == [("c", "memory")]


async def test_under_pressure_a_conversation_that_stays_does_not_keep_others(world: World) -> None:
    watched = await start_turn(world, talker(stays_while_watched=True), "watched")
    await rest(watched)
    await asyncio.sleep(0.005)
    idle = await start_turn(world, talker(), "idle")
    await rest(idle)
    async with watching(world.store, "watched"):
        pressed = eviction(world, hibernate=60, leave=60, memory=1e-9)
        assert ids(await pressed.due([watched, idle])) == [("idle", "memory")]
        relaxed = eviction(world, hibernate=60, leave=60)
        assert ids(await relaxed.longest_idle([watched, idle])) == [("idle", "room")], "a newcomer gets a place"


async def test_a_watched_conversation_stays_if_its_agent_asks_for_it(world: World) -> None:
    conversation = await start_turn(world, talker(stays_while_watched=True), "c")
    await rest(conversation)
    evicting = eviction(world, hibernate=1e-9, leave=1e-9)
    await asyncio.sleep(0.002)
    async with watching(world.store, "c"):
        assert await evicting.due([conversation]) == []
    async with asyncio.timeout(PATIENCE):
        while not await evicting.due([conversation]):  # noqa: ASYNC110 - Redis hears of it a moment later
            await asyncio.sleep(0.01)


async def test_a_hibernating_conversation_is_woken_when_its_question_expires(world: World) -> None:
    conversation = await start_turn(world, asker(), "parked")
    await rest(conversation)
    evicting = eviction(world, hibernate=1e-9, leave=60)
    await asyncio.sleep(0.002)
    await evicting.due([conversation])
    assert evicting.expired() == []
    assert conversation.next_expiry is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deployments.host.eviction.now_ms", lambda: now_ms() + 100_000_000)
        assert evicting.expired() == ["parked"]


async def test_a_conversation_that_gets_work_at_the_last_moment_does_not_leave(world: World) -> None:
    conversation = await start_turn(world, talker(), "c")
    await rest(conversation)
    asked = asyncio.create_task(say(conversation, "one moment"))
    await asyncio.sleep(0)
    assert not await conversation.leave()
    await asked
    await rest(conversation)
    assert await conversation.leave()
    assert conversation.gone.done()


async def test_a_message_that_arrives_while_the_conversation_leaves_is_answered_once(world: World) -> None:
    asked: list[int] = []

    def answer(request: ModelRequest) -> Step:
        asked.append(len(request.messages))
        return Step("hi")

    async def leave_after(moments: int) -> bool:
        await asyncio.sleep(moments * 0.0003)
        return await world.doors.live["c"].leave()

    await world.start(Agent(name="talker", model=ScriptedModel(answer)), "c")
    left = []
    for number in range(100):
        message = UserMessage(content=text(f"{number}"), client_id=f"m{number}", principal="ada")
        sending = world.doors.send("c", message, AgentContext())
        _, leaves = await asyncio.gather(sending, leave_after(number % 20))
        left.append(leaves)
        await rest(world.doors.live["c"])
    events = await world.events("c")
    heard = [event.content[0]["text"] for event in events if isinstance(event, UserMsg)]
    assert heard == [f"{number}" for number in range(100)]
    assert [event.outcome for event in events if isinstance(event, TurnEnded)] == ["completed"] * 100
    assert len(asked) == 100, "no turn is begun twice"
    assert True in left
    assert False in left

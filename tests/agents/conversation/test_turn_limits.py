"""How many turns people have at once, and what they spend on a day: counted exactly, also when hosts die."""

import asyncio

import pytest

from agents.agent import Agent, Catalog
from agents.clock import now_ms
from agents.conversation import Conversation
from agents.conversation.acceptance import accepting
from agents.errors import Refused
from agents.middleware.human_in_the_loop import HumanInTheLoop
from agents.middleware.sub_agent import SubAgent
from agents.models import Call, ScriptedModel, Step
from agents.services import Services
from agents.tools import tool
from agents.turn.events import Origin, TurnEnded
from agents.turn.inputs import OnBusy, UserMessage
from deployments.access.known_limits import KnownLimits
from deployments.access.turn_limits import TurnLimits
from deployments.settings import Settings
from tests.support.conversations import World, ends, rest, text, until

ADA = "acme/ada"
HANGING = Agent(name="hanging", model=ScriptedModel(lambda _: Step("Well", hangs="after")))
QUICK = Agent(name="quick", model=ScriptedModel(lambda _: Step("Yes.")))


def bound(world: World, **limits: str) -> TurnLimits:
    """Limits of every principal, as the settings say."""
    settings = Settings().model_copy(update=limits)
    world.limits = TurnLimits(KnownLimits(settings, world.store), world.store)
    return world.limits


async def say(conversation: Conversation, on_busy: OnBusy = "reject", principal: str = ADA) -> None:
    await conversation.send(UserMessage(content=text("hello"), principal=principal, on_busy=on_busy))


async def start(world: World, agent: Agent, name: str) -> Conversation:
    await world.create(agent, name)
    return await world.open(agent, name)


async def refusal(conversation: Conversation, principal: str = ADA) -> dict[str, object]:
    """What programs are told of the limit that keeps a turn from beginning; nothing is logged."""
    before = conversation.inspect().last_seq
    with pytest.raises(Refused) as refused:
        await say(conversation, principal=principal)
    assert refused.value.code == "limit_reached"
    assert conversation.inspect().last_seq == before
    return refused.value.members


async def turns(world: World) -> int:
    return await world.store.admitted.turns(ADA, now_ms())


async def free(world: World, count: int) -> None:
    """Wait until so many turns are counted: the end is noted beside the work."""
    async with asyncio.timeout(10):
        while await turns(world) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_turn_too_many_is_refused_until_another_has_ended(world: World) -> None:
    bound(world, limits="turns=2")
    first, second, third = [await start(world, HANGING, name) for name in ("a", "b", "c")]
    await say(first)
    await say(second)
    assert await refusal(third) == {"limit": "turns", "subject": ADA, "value": 2, "resets_at": None}
    await say(third, principal="acme/bob")
    await first.cancel(ADA)
    await free(world, 1)
    fourth = await start(world, HANGING, "d")
    await say(fourth)
    assert await turns(world) == 2


async def test_a_message_to_a_turn_that_runs_begins_none(world: World) -> None:
    bound(world, limits="turns=1")
    conversation = await start(world, HANGING, "a")
    await say(conversation)
    await say(conversation, "queue")
    await say(conversation, "steer")
    await conversation.cancel(ADA)
    await until(lambda: conversation.inspect().turn == 2)
    assert await turns(world) == 1, "the queued message has begun the next turn in the same place"
    assert (await refusal(await start(world, HANGING, "b")))["limit"] == "turns"


@pytest.mark.parametrize("origin", ["schedule", "batch"])
async def test_turns_of_schedules_and_batches_are_bounded_elsewhere(world: World, origin: Origin) -> None:
    bound(world, limits="turns=1")
    for name in ("a", "b"):
        sent = UserMessage(content=text("it is time"), principal=ADA, origin=origin)
        await (await start(world, HANGING, name)).send(sent)
    assert await turns(world) == 0
    person = await start(world, HANGING, "c")
    await say(person)
    assert await refusal(await start(world, HANGING, "d")) == {
        "limit": "turns",
        "subject": ADA,
        "value": 1,
        "resets_at": None,
    }
    await person.cancel(ADA)
    await free(world, 0)


async def test_a_tenants_turns(world: World) -> None:
    bound(world, tenant_limits="turns=1")
    await say(await start(world, HANGING, "a"))
    assert await refusal(await start(world, HANGING, "b"), "acme/bob") == {
        "limit": "turns",
        "subject": "acme",
        "value": 1,
        "resets_at": None,
    }
    await say(await start(world, HANGING, "c"), principal="other/eve")


async def test_a_turn_whose_process_died_counts_until_it_ends_elsewhere(world: World) -> None:
    bound(world, limits="turns=1")
    conversation = await start(world, HANGING, "a")
    await say(conversation)
    await world.crash(conversation)
    other = await start(world, QUICK, "b")
    assert (await refusal(other))["limit"] == "turns", "it is unfinished, and will go on"
    again = await world.open(HANGING, "a")
    assert (await refusal(other))["limit"] == "turns"
    await again.cancel(ADA)
    await rest(again)
    await free(world, 0)
    await say(other)


async def test_a_message_that_is_refused_takes_no_place(world: World) -> None:
    bound(world, limits="turns=1")
    conversation = await start(world, QUICK, "a")
    with pytest.raises(Refused, match="no model"):
        await conversation.send(UserMessage(content=text("hello"), principal=ADA, model="nothing"))
    await say(await start(world, HANGING, "b"))


async def test_a_turn_that_waits_for_people_takes_no_place(world: World) -> None:
    @tool
    def wipe() -> str:
        """Wipe."""
        return "done"

    bound(world, limits="turns=1")
    agent = Agent(
        name="asking",
        model=ScriptedModel([Step(calls=[Call("wipe")]), Step("Done.")]),
        tools=[wipe],
        middleware=[HumanInTheLoop({"wipe": True})],
    )
    waiting = await start(world, agent, "a")
    await say(waiting)
    assert await rest(waiting) == "awaiting_input"
    await say(await start(world, HANGING, "b"))
    assert (await refusal(await start(world, HANGING, "c")))["limit"] == "turns"


async def test_sub_agents_turns_are_a_part_of_their_roots(world: World) -> None:
    bound(world, limits="turns=1")
    scholar = Agent(name="scholar", model=ScriptedModel([Step("Read.")]))
    calls = [Call("task", {"agent": "scholar", "prompt": "Read."})] * 2
    agent = Agent(
        name="boss",
        model=ScriptedModel([Step(calls=calls), Step("Done.")]),
        middleware=[SubAgent([scholar], general=False)],
    )
    conversation = await start(world, agent, "a")
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert ends(await world.events("a")) == [("completed", None)]
    await free(world, 0)


async def test_what_is_accepted_in_the_log_alone_counts_too(world: World) -> None:
    """A conversation whose own actor is yet to be started takes its message without one."""
    limits = bound(world, limits="turns=1")
    await world.create(QUICK, "a")
    await world.create(QUICK, "b")
    services, catalog = Services(store=world.store, limits=limits), Catalog({"quick": QUICK}, default="quick")
    async with accepting(services, catalog, await world.store.registry.get("a")) as one:
        await say(one)
    async with accepting(services, catalog, await world.store.registry.get("b")) as one:
        assert (await refusal(one))["limit"] == "turns"
    await rest(await world.open(QUICK, "a"))
    await free(world, 0)


async def test_a_turn_ends_when_nothing_is_left_of_the_day(world: World) -> None:
    @tool
    def work() -> str:
        """Work."""
        return "done"

    bound(world, limits="tokens=1")
    agent = Agent(name="busy", model=ScriptedModel([Step(calls=[Call("work")]), Step("Done.")]), tools=[work])
    await world.create(agent, "a")
    conversation = await world.open(agent, "a", store=world.store)
    await say(conversation)
    await rest(conversation)
    end = (await world.events("a"))[-1]
    assert isinstance(end, TurnEnded)
    assert (end.outcome, end.reason) == ("failed", "limit_reached")
    assert end.detail == f"The limit of {ADA} is reached: 1 tokens a day."

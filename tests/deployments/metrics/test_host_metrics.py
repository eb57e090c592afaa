"""How a host counts what it activates and what lives in it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from agents.agent import Agent, Catalog
from agents.models import Call, ScriptedModel, Step
from agents.tools import tool
from agents.turn.states import ExitReason
from deployments.host.activations import Activations
from deployments.host.eviction import Eviction
from deployments.host.host_metrics import HostMetrics
from deployments.metrics.recorder import Recorder
from deployments.settings import Settings
from tests.support.api import eventually
from tests.support.conversations import World, rest, say


@tool(approval="required")
def risky() -> str:
    """Do something risky."""
    return "done"


ASKER = Agent(name="asker", model=ScriptedModel([Step(calls=[Call("risky")])]), tools=(risky,))
TALKER = Agent(name="talker", model=ScriptedModel([Step("hi")] * 9))


@pytest.fixture
def host() -> Iterator[HostMetrics]:
    return HostMetrics(Catalog((TALKER, ASKER)))


def found(recorder: Recorder, name: str) -> dict[tuple[str, ...], float]:
    return {sample.labels: sample.value for sample in recorder.samples() if sample.metric.name == name and sample.value}


async def test_an_activation_says_where_the_conversation_came_from(world: World, host: HostMetrics) -> None:
    await world.create(TALKER)
    meta = await world.store.registry.get("c")
    for ended, hibernated in (
        (None, False),
        (ExitReason.IDLE, False),
        (ExitReason.IDLE, True),
        (ExitReason.MOVED, False),
        (ExitReason.CRASH, False),
        (ExitReason.CRASH, True),
    ):
        host.note_activation(replace(meta, ended=ended), 0.01, hibernated=hibernated)
    kinds = {("cold",): 2, ("warm",): 1, ("moved",): 1, ("recovered",): 2}
    assert found(host.recorder, "activations_total") == kinds


async def test_conversations_are_counted_by_state(world: World, host: HostMetrics) -> None:
    activations = Activations()
    eviction = Eviction(Settings(hibernate_seconds=0.001, leave_seconds=1000), world.store)
    for name, agent in (("a", TALKER), ("b", TALKER), ("c", ASKER), ("d", ASKER)):
        await world.create(agent, name)
        conversation = await activations.activate(name, lambda name, agent=agent: world.open(agent, name))
        await say(conversation)
        await rest(conversation)
    host.count_conversations(activations, eviction)
    places = {("idle", "shared"): 2, ("awaiting_input", "shared"): 2}
    assert found(host.recorder, "conversations") == places

    async def hibernate() -> bool:
        for conversation, reason in await eviction.due(activations.active()):
            assert await conversation.leave(reason)
            activations.remove(conversation)
        return eviction.hibernating == 2

    await eventually(hibernate)
    host.count_conversations(activations, eviction)
    assert found(host.recorder, "conversations") == {("idle", "shared"): 2, ("hibernating", "shared"): 2}

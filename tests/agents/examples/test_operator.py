"""The operator offline: it looks first, asks which service is meant, and changes nothing without an approval."""

from typing import Any

import pytest

from agents.examples import operator
from agents.examples.offline.operator import HELP, operator_script
from agents.models import ScriptedModel
from agents.turn.events import ToolCall
from agents.turn.inputs import Resolve
from tests.support.conversations import World, ends, rest, results, say, spoken


@pytest.fixture
def agent() -> Any:
    return operator(ScriptedModel(operator_script))


def called(events: Any) -> list[str]:
    return [event.name for event in events if isinstance(event, ToolCall)]


async def test_it_says_what_it_can_do(world: World, agent: Any) -> None:
    conversation = await world.start(agent)
    await say(conversation, "hello")
    assert await rest(conversation) == "idle"
    assert spoken(await world.events()) == [(HELP, "completed")]


async def test_it_looks_without_asking(world: World, agent: Any) -> None:
    conversation = await world.start(agent)
    await say(conversation, "how is the api?")
    assert await rest(conversation) == "idle"
    answer, _ = spoken(await world.events())[-1]
    assert answer == "The **api** is failing: 2 replicas, 41 errors a minute."


async def test_the_logs_are_analysed_as_a_remote_task(world: World, agent: Any) -> None:
    assert agent.tool("analyse_logs").ray == {"num_cpus": 1}
    conversation = await world.start(agent)
    await say(conversation, "analyse the logs of the api")
    assert await rest(conversation) == "idle"
    answer, _ = spoken(await world.events())[-1]
    assert answer.startswith("In the last 100000 lines of the api's log:\n\n- connection reset by peer: ")


async def test_a_restart_waits_for_a_yes(world: World, agent: Any) -> None:
    conversation = await world.start(agent)
    await say(conversation, "please restart the api")
    assert await rest(conversation) == "awaiting_input"
    [(call, asked)] = conversation.inspect().pending.items()
    assert (asked["name"], asked["kind"], asked["decisions"]) == ("restart_service", "approval", ["approve", "reject"])
    await conversation.resolve(Resolve(tool_call_id=call, decision="approve", principal="bob"))
    assert await rest(conversation) == "idle"
    events = await world.events()
    assert called(events) == ["service_status", "restart_service"]
    assert results(events)[-1] == ("ok", '{"restarted":"api","approved_by":"bob"}')
    assert spoken(events)[-1] == ("Done: restarted api, approved_by bob.", "completed")


async def test_a_no_is_accepted(world: World, agent: Any) -> None:
    conversation = await world.start(agent)
    await say(conversation, "restart the worker")
    await rest(conversation)
    [call] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=call, decision="reject", reason="not today", principal="bob"))
    assert await rest(conversation) == "idle"
    events = await world.events()
    assert [status for status, _ in results(events)] == ["ok", "denied"]
    assert "not today" in spoken(events)[-1][0]
    assert ends(events) == [("completed", None)]


async def test_it_asks_which_service_is_meant(world: World, agent: Any) -> None:
    conversation = await world.start(agent)
    await say(conversation, "restart it")
    assert await rest(conversation) == "awaiting_input"
    [(call, asked)] = conversation.inspect().pending.items()
    assert [option["value"] for option in asked["form"]["questions"][0]["options"]] == ["api", "worker", "database"]
    await conversation.resolve(Resolve(tool_call_id=call, decision="respond", answer={"service": "worker"}))
    assert await rest(conversation) == "awaiting_input"
    assert called(await world.events()) == ["ask_user", "service_status", "restart_service"]


async def test_a_number_can_be_corrected(world: World, agent: Any) -> None:
    conversation = await world.start(agent)
    await say(conversation, "scale the api to 5")
    await rest(conversation)
    [call] = conversation.inspect().pending
    await conversation.resolve(
        Resolve(tool_call_id=call, decision="edit", arguments={"service": "api", "replicas": 3}, principal="bob")
    )
    assert await rest(conversation) == "idle"
    assert results(await world.events())[-1] == ("ok", '{"service":"api","replicas":3,"before":2}')


async def test_a_user_who_chose_so_is_not_asked_before_scaling(world: World, agent: Any) -> None:
    await world.store.preferences.set("ada", "approval:scale_service", "auto")
    await world.store.preferences.set("ada", "approval:restart_service", "auto")
    conversation = await world.start(agent)
    await say(conversation, "scale the api to 5")
    assert await rest(conversation) == "idle"
    await say(conversation, "restart the api")
    assert await rest(conversation) == "awaiting_input", "this approval cannot be switched off"
    for name in ("scale_service", "restart_service"):
        await world.store.preferences.set("ada", f"approval:{name}", None)

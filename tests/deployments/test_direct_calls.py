"""Doors and hosts with direct connections between them: the same promises as with Ray's calls alone."""

import asyncio
import os
import signal

import pytest

from agents.context import AgentContext
from agents.turn.inputs import UserMessage
from deployments.direct.caller import DirectActor, HostConnection
from deployments.ray_internals.handles import actor_id
from deployments.routing import door as door_module
from deployments.routing.door import Door
from deployments.routing.errors import Unreachable
from tests.deployments.conftest import actor_of, own_door, pid_of
from tests.support.api import Api, eventually
from tests.support.service import RunningService

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


@pytest.fixture
def placement() -> str:
    return "dedicated"


def message(client_id: str) -> UserMessage:
    return UserMessage(content=[{"type": "text", "text": "hello"}], client_id=client_id, on_busy="queue")


async def connect(door: Door, conversation_id: str) -> HostConnection:
    """The door's connection to the host, opened by its calls."""
    await door.wake(conversation_id)
    key = actor_id(await actor_of(conversation_id))

    async def is_connected() -> bool:
        await door.wake(conversation_id)
        return key in door._direct._open

    await eventually(is_connected)
    return door._direct._open[key]


async def messages(api: Api, conversation_id: str) -> list[str]:
    return [event["client_id"] for event in await api.rest(conversation_id) if event["type"] == "user_msg"]


async def test_a_door_connects_to_a_host_that_it_calls_again(api: Api, service: RunningService) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    door = own_door(service)
    await connect(door, conversation_id)
    handle = (await door.ensure_started(conversation_id)).actor
    assert isinstance(door._direct.prefer(handle), DirectActor)
    receipt = await door.send(conversation_id, message("direct"), AgentContext())
    again = await door.send(conversation_id, message("direct"), AgentContext())
    assert (receipt.turn, receipt.duplicate, again.seq, again.duplicate) == (2, False, receipt.seq, True)
    assert (await messages(api, conversation_id)).count("direct") == 1


async def test_a_call_whose_host_is_killed_is_made_again_at_its_successor(api: Api, service: RunningService) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    door = own_door(service)
    await connect(door, conversation_id)
    pid = await pid_of(conversation_id)
    os.kill(pid, signal.SIGSTOP)  # the call is under way when the process dies
    sending = asyncio.create_task(door.send(conversation_id, message("killed"), AgentContext()))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    receipt = await sending
    assert receipt.turn == 2
    assert (await messages(api, conversation_id)).count("killed") == 1

    async def is_answered() -> bool:
        return [event["type"] for event in await api.log(conversation_id)].count("turn_ended") == 2

    await eventually(is_answered)


async def test_a_host_that_is_stopped_is_unreachable_and_takes_the_message_once(
    api: Api, service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "CALL_SECONDS", 1.5)
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    door = own_door(service)
    await connect(door, conversation_id)
    pid = await pid_of(conversation_id)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(Unreachable):
            await door.send(conversation_id, message("stopped"), AgentContext())
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (await door.send(conversation_id, message("stopped"), AgentContext())).turn == 2
    assert (await messages(api, conversation_id)).count("stopped") == 1


async def test_a_connection_that_breaks_is_replaced_and_no_call_is_lost(api: Api, service: RunningService) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    door = own_door(service)
    broken = await connect(door, conversation_id)
    sending = asyncio.create_task(door.send(conversation_id, message("broken"), AgentContext()))
    await asyncio.sleep(0)
    broken.abort()
    assert (await sending).turn == 2
    assert (await messages(api, conversation_id)).count("broken") == 1
    assert await connect(door, conversation_id) is not broken


async def test_a_host_that_says_no_address_is_called_by_ray(api: Api, service: RunningService) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    store = service.store()
    await store.endpoints.forget(actor_id(await actor_of(conversation_id)))
    door = own_door(service)
    for number in range(3):
        await door.send(conversation_id, message(f"ray-{number}"), AgentContext())
    assert door._direct._open == {}
    assert (await messages(api, conversation_id))[1:] == ["ray-0", "ray-1", "ray-2"]
    await store.aclose()

"""Where conversations live: as their creators, their agents or the deployment request it."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
import ray

from agents.context import AgentContext
from agents.turn.inputs import UserMessage
from deployments.host.actor import open_door
from deployments.process.agents import catalog
from deployments.routing.control_plane import ControlPlane
from deployments.routing.door import Door
from deployments.routing.placement import actor_name
from tests.support.api import Api, eventually
from tests.support.service import RunningService

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]

HELLO = UserMessage(content=[{"type": "text", "text": "hello"}], client_id="m1")


@pytest.fixture
def placement() -> None:
    """Each test requests its own."""
    return


def door_of(service: RunningService, **settings: Any) -> Door:
    """A door of a deployment that has other settings than the service."""
    changed = service.settings().model_copy(update=settings)
    return open_door(changed, service.store(), catalog(changed))


def named(name: str) -> Callable[[], Awaitable[bool]]:
    async def is_there() -> bool:
        return any(found["name"] == name for found in ray.util.list_named_actors(all_namespaces=True))

    return is_there


async def place_of(api: Api, conversation_id: str) -> str:
    place: str = (await api.show(conversation_id))["place"]
    return place


async def test_without_a_request_it_is_where_the_deployment_says(api: Api) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    assert (await place_of(api, conversation_id)).startswith("host:")


async def test_auto_begins_in_a_host_whatever_room_there_is(api: Api, service: RunningService) -> None:
    conversation_id = await api.create()
    door = door_of(service, placement="auto", dedicated_per_node=1000)
    await door.send(conversation_id, HELLO, AgentContext())
    await api.rest(conversation_id)
    assert (await place_of(api, conversation_id)).startswith("host:")


@ray.remote(num_cpus=0)
class Stranger:
    """An actor of somebody else, in a namespace of their own."""

    def node(self) -> str:
        return ray.get_runtime_context().get_node_id()


async def test_dedicated_actors_of_other_namespaces_do_not_count(service: RunningService) -> None:
    def dedicated_of(namespace: str) -> ControlPlane:
        return ControlPlane(namespace, service.settings().dedicated_per_node)

    name = actor_name("of-others")
    stranger = Stranger.options(name=name, namespace="others").remote()
    try:
        node = await stranger.node.remote()
        assert await dedicated_of("others").count_dedicated() == {node: 1}
        assert await dedicated_of("nobody").count_dedicated() == {}
    finally:
        ray.kill(stranger)


async def test_an_agent_brings_its_resources_and_its_environment(api: Api) -> None:
    conversation_id = await api.create("hibernates_soon")
    await api.turn(conversation_id, "whereabouts: here")
    [result] = [event for event in await api.log(conversation_id) if event["type"] == "tool_result"]
    given = orjson.loads(result["content"])
    assert given["resources"] == {"CPU": 0.125}
    assert await place_of(api, conversation_id) == actor_name(conversation_id)


async def test_the_creator_overrules_the_agent(api: Api) -> None:
    conversation_id = await api.create("hibernates_soon", placement="shared")
    await api.turn(conversation_id, "hello")
    assert (await place_of(api, conversation_id)).startswith("host:")


async def test_what_no_node_can_give_ends_the_turn_with_a_reason_and_leaves_nothing_behind(
    api: Api, service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id = await api.create("impossible")
    monkeypatch.setattr("deployments.routing.door.START_SECONDS", 0.5)
    door = door_of(service, start_seconds=1.0)
    assert (await door.send(conversation_id, HELLO, AgentContext())).turn == 1, "it is in the log, and that is told"
    assert (await api.log(conversation_id))[0]["client_id"] == "m1"
    await eventually(named(actor_name(conversation_id)))
    [_, ended] = await api.rest(conversation_id)
    assert (ended["outcome"], ended["reason"]) == ("failed", "not_started")
    assert "what its agent asks for is free on no node (resources)" in ended["detail"]

    async def is_gone() -> bool:
        return not await named(actor_name(conversation_id))()

    await eventually(is_gone)

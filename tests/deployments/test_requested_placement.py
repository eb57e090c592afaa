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
from deployments.routing.door import Door
from deployments.routing.errors import Unreachable
from deployments.routing.placement import actor_name, is_dedicated
from tests.deployments.conftest import own_door
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


@pytest.mark.parametrize(("budget", "dedicated"), [(0, False), (1000, True)])
async def test_auto_is_a_dedicated_actor_while_there_is_room(
    api: Api, service: RunningService, budget: int, dedicated: bool
) -> None:
    conversation_id = await api.create()
    door = door_of(service, placement="auto", dedicated_per_node=budget)
    await door.send(conversation_id, HELLO, AgentContext())
    await api.rest(conversation_id)
    assert is_dedicated(await place_of(api, conversation_id)) is dedicated


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


async def test_what_no_node_can_give_is_an_error_in_time_and_leaves_nothing_behind(
    api: Api, service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id = await api.create("impossible")
    monkeypatch.setattr("deployments.routing.door.START_SECONDS", 0.5)
    with pytest.raises(Unreachable):
        await own_door(service).send(conversation_id, HELLO, AgentContext())
    assert await named(actor_name(conversation_id))()
    assert (await api.http.delete(f"/v1/conversations/{conversation_id}")).status_code == 204

    async def is_gone() -> bool:
        return not await named(actor_name(conversation_id))()

    await eventually(is_gone)

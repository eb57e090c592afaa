"""One conversation has one named actor, however many doors ask for it."""

import asyncio

import pytest
import ray

from agents.context import AgentContext
from agents.turn.inputs import UserMessage
from deployments.routing.errors import ControlPlaneUnavailable
from deployments.routing.placement import actor_name
from store import ConversationNotFound, Store
from tests.deployments.conftest import actor_of, own_door, pid_of
from tests.support.api import Api, eventually
from tests.support.service import RunningService

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


@pytest.fixture
def placement() -> str:
    return "dedicated"


HELLO = [{"type": "text", "text": "hello"}]


def count_actors(conversation_id: str) -> int:
    """How many actors of this conversation live in the whole cluster."""
    return [found["name"] for found in ray.util.list_named_actors(all_namespaces=True)].count(
        actor_name(conversation_id)
    )


async def test_the_actor_is_named_after_its_conversation(api: Api) -> None:
    conversation_id = await api.create()
    with pytest.raises(ValueError, match="Failed to look up actor"):
        ray.get_actor(f"conversation:{conversation_id}", namespace="raylogue")
    await api.turn(conversation_id, "hello")
    status = await ray.get_actor(f"conversation:{conversation_id}", namespace="raylogue").inspect.remote(
        conversation_id
    )
    assert (status.state, status.turn, status.last_seq) == ("idle", 1, 3)


async def test_two_doors_racing_start_one_actor(api: Api, service: RunningService) -> None:
    conversation_id = await api.create()
    doors = [own_door(service) for _ in range(2)]
    found = await asyncio.gather(*(door.ensure_started(conversation_id) for door in doors for _ in range(3)))
    pids = await asyncio.gather(*(address.actor.pid.remote() for address in found))
    assert len(set(pids)) == 1
    assert count_actors(conversation_id) == 1


async def test_one_message_through_two_doors_is_one_event(api: Api, service: RunningService) -> None:
    conversation_id = await api.create()
    message = UserMessage(content=HELLO, client_id="once", on_busy="queue")
    first, second = await asyncio.gather(
        *(own_door(service).send(conversation_id, message, AgentContext()) for _ in range(2))
    )
    assert (first.seq, first.turn) == (second.seq, second.turn) == (1, 1)
    assert [event["type"] for event in await api.rest(conversation_id)].count("user_msg") == 1


async def test_an_incarnation_that_is_fenced_leaves(api: Api, store: Store) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    before = await pid_of(conversation_id)
    await store.log.claim(conversation_id)
    await api.turn(conversation_id, "hello again")
    assert await pid_of(conversation_id) != before
    assert (await api.show(conversation_id))["last_seq"] == 6


async def test_an_actor_of_an_unknown_conversation_says_so_and_leaves(service: RunningService) -> None:
    with pytest.raises(ConversationNotFound):
        await own_door(service).wake("never-created")

    async def is_gone() -> bool:
        return count_actors("never-created") == 0

    await eventually(is_gone)


async def test_a_conversation_that_is_deleted_takes_its_actor_along(api: Api) -> None:
    conversation_id = await api.create("claude")
    await api.send(conversation_id, f"stall after 3 {conversation_id}")

    async def is_there() -> bool:
        return count_actors(conversation_id) == 1

    await eventually(is_there)
    assert (await api.http.delete(f"/v1/conversations/{conversation_id}")).status_code == 204
    assert (await api.http.get(f"/v1/conversations/{conversation_id}")).status_code == 404

    async def is_gone() -> bool:
        return count_actors(conversation_id) == 0

    await eventually(is_gone)
    again = await api.create(id=conversation_id)
    assert [event["type"] for event in await api.turn(again, "hello")][-1] == "turn_completed"
    assert len(await api.log(again)) == 3


async def test_an_actor_stops_in_good_order(api: Api) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "my name is Ada")
    await (await actor_of(conversation_id)).stop.remote(conversation_id)

    async def is_gone() -> bool:
        return count_actors(conversation_id) == 0

    await eventually(is_gone)
    await api.turn(conversation_id, "what is my name?")
    answers = [event for event in await api.log(conversation_id) if event["type"] == "assistant_msg"]
    assert "Ada" in answers[-1]["content"][0]["text"]


async def test_no_actor_is_started_while_the_control_plane_is_away(api: Api, service: RunningService) -> None:
    conversation_id = await api.create(placement="shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deployments.routing.control_plane.CONTROL_PLANE_SECONDS", 0.0)
        with pytest.raises(ControlPlaneUnavailable):
            await own_door(service).wake(conversation_id)

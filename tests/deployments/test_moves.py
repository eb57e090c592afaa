"""Conversations begin in a shared host, and move at rest into an actor of their own once they go on."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest
import ray
from ray.actor import ActorHandle

from agents.context import AgentContext
from agents.errors import Superseded
from agents.turn.inputs import UserMessage
from deployments.routing.placement import actor_name
from store import Store
from tests.support.api import Api, eventually
from tests.support.example_dialogues import DIALOGUES, Action, Say
from tests.support.moving_agents import example
from tests.support.service import RunningService

pytestmark = pytest.mark.ray

MOVING = {"RAYLOGUE_PLACEMENT": "auto", "RAYLOGUE_WARM_WORKERS": "1", "RAYLOGUE_DEDICATED_PER_NODE": "8"}


@pytest.fixture
def placement() -> None:
    """The deployment chooses."""
    return


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service of its own: in the run's service conversations stay where they begin."""
    directory = tmp_path_factory.mktemp("moves")
    with RunningService(directory, agents="tests.support.moving_agents:catalog", env=MOVING) as running:
        yield running


@pytest.fixture(scope="module")
def ray_cluster(service: RunningService) -> Iterator[None]:
    with service.connected_ray():
        yield


async def place_of(api: Api, conversation_id: str) -> str:
    place: str | None = (await api.show(conversation_id))["place"]
    return place or "nowhere yet"


def lives_at(api: Api, conversation_id: str, prefix: str) -> Callable[[], Awaitable[bool]]:
    async def asked() -> bool:
        return (await place_of(api, conversation_id)).startswith(prefix)

    return asked


async def moved(api: Api) -> str:
    """A conversation of two turns that has moved."""
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    await api.turn(conversation_id, "hello again")
    await eventually(lives_at(api, conversation_id, "conversation:"))
    return conversation_id


async def test_a_conversation_begins_in_a_host_moves_at_rest_and_goes_on(api: Api, service: RunningService) -> None:
    conversation_id = await api.create()
    async with api.watching(conversation_id) as stream:
        await api.turn(conversation_id, "hello")
        assert (await place_of(api, conversation_id)).startswith("host:")
        await api.turn(conversation_id, "hello again")
        await eventually(lives_at(api, conversation_id, "conversation:"))
        assert await place_of(api, conversation_id) == actor_name(conversation_id)
        assert (await api.show(conversation_id))["last_exit"] == "moved"
        before = len(stream.seen)
        events = await api.turn(conversation_id, "and once more")
        await stream.until("turn_completed", turn=3)
    assert [event["type"] for event in events if event["type"] == "turn_failed"] == []
    assert "text_delta" in {event["type"] for event in stream.seen[before:]}, "it is heard live, too"
    log = await api.log(conversation_id)
    rows = [event for event in stream.seen if event.get("seq") and event["type"] in {row["type"] for row in log}]
    assert [row["seq"] for row in rows] == [row["seq"] for row in log]
    assert (await place_of(api, conversation_id)) == actor_name(conversation_id)


async def test_conversations_of_one_turn_never_get_a_process(api: Api, ray_cluster: None) -> None:
    conversations = [await api.create() for _ in range(20)]
    await asyncio.gather(*(api.turn(one, "hello") for one in conversations))
    mover = await moved(api)  # the host has looked at all of them meanwhile
    names = {found["name"] for found in ray.util.list_named_actors(all_namespaces=True)}
    assert {actor_name(one) for one in conversations} & names == set()
    assert actor_name(mover) in names
    assert {(await place_of(api, one))[:5] for one in conversations} == {"host:"}


async def test_messages_that_come_all_the_time_are_each_answered_once(api: Api) -> None:
    """Whatever moment of the move they hit."""
    conversation_id = await api.create()
    said = []
    while len(said) < 300 and not (await place_of(api, conversation_id)).startswith("conversation:"):
        said.append(f"m{len(said)}")
        await api.turn(conversation_id, "hello", on_busy="queue", client_id=said[-1])
        await asyncio.sleep(0.1)  # it moves at rest
    assert (await place_of(api, conversation_id)).startswith("conversation:")
    await api.turn(conversation_id, "the last", client_id="last")
    log = await api.log(conversation_id)
    assert [row["client_id"] for row in log if row["type"] == "user_msg"] == [*said, "last"]
    assert [row["type"] for row in log].count("assistant_msg") == len(said) + 1, "nothing was asked twice"


async def test_an_actor_that_dies_after_the_move_is_no_loss(
    api: Api, service: RunningService, ray_cluster: None
) -> None:
    conversation_id = await moved(api)
    actor = ray.get_actor(actor_name(conversation_id), namespace="raylogue")
    psutil.Process(ray.get(actor.pid.remote())).kill()
    await api.turn(conversation_id, "hello?")
    assert (await place_of(api, conversation_id)).startswith("host:"), "it begins again where it can at once"
    assert [row["outcome"] for row in await api.log(conversation_id) if row["type"] == "turn_ended"] == [
        "completed"
    ] * 3


@pytest.mark.parametrize("victim", ["actor", "host"])
async def test_what_dies_in_the_move_is_no_loss(api: Api, ray_cluster: None, victim: str) -> None:
    """As soon as the actor has its name: before it answers, or is handed the conversation, or has just claimed it."""
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    host = ray.get_actor(await place_of(api, conversation_id), namespace="raylogue")
    process = psutil.Process(ray.get(host.pid.remote()))
    await api.turn(conversation_id, "hello again")
    own = await _appearing(actor_name(conversation_id))
    if victim == "actor":
        await asyncio.to_thread(ray.kill, own)
    else:
        process.kill()
    for number in range(3):
        await api.turn(conversation_id, f"are you there? {number}")
    log = await api.log(conversation_id)
    assert [row["outcome"] for row in log if row["type"] == "turn_ended"] == ["completed"] * 5
    assert [row["type"] for row in log].count("assistant_msg") == 5, "nothing was asked twice"


async def _appearing(name: str) -> ActorHandle:
    async with asyncio.timeout(45):
        while True:
            with suppress(ValueError):
                return ray.get_actor(name, namespace="raylogue")
            await asyncio.sleep(0.01)


async def test_a_door_that_holds_the_old_address_follows(api: Api, ray_cluster: None, store: Store) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    host = ray.get_actor(await place_of(api, conversation_id), namespace="raylogue")
    await api.turn(conversation_id, "hello again")
    await eventually(lives_at(api, conversation_id, "conversation:"))
    message = UserMessage(content=[{"type": "text", "text": "hello"}], client_id="late")
    with pytest.raises(ray.exceptions.RayTaskError) as refused:
        await host.send.remote(conversation_id, message, AgentContext(), 0)
    assert isinstance(refused.value.cause, Superseded)
    epoch = (await store.registry.get(conversation_id)).epoch
    await api.turn(conversation_id, "and once more")
    assert (await store.registry.get(conversation_id)).epoch == epoch, "nobody has claimed it since"


async def test_the_dialogues_of_the_examples_go_on_across_the_move(api: Api) -> None:
    """All at once, each from its first message in a host to one more in an actor of its own."""
    await asyncio.gather(*(play(api, name) for name in DIALOGUES))


async def play(api: Api, name: str) -> None:
    conversation_id = await api.create(example(name))
    for number, action in enumerate(DIALOGUES[name].actions):
        await act(api, conversation_id, number, action)
        if number == 0:
            assert (await place_of(api, conversation_id)).startswith("host:")
        shown = await api.show(conversation_id)
        if shown["state"] == "idle" and await turns_of(api, conversation_id) == 2:
            await eventually(lives_at(api, conversation_id, "conversation:"))
    await api.turn(conversation_id, "thank you")
    assert await place_of(api, conversation_id) == actor_name(conversation_id)
    log = await api.log(conversation_id)
    ends = [row["outcome"] for row in log if row["type"] == "turn_ended"]
    said = sum(isinstance(action, Say) for action in DIALOGUES[name].actions) + 1
    assert ends == ["completed"] * said, name
    assert {row["status"] for row in log if row["type"] == "tool_result"} <= {"ok"}, name


async def act(api: Api, conversation_id: str, number: int, action: Action) -> None:
    """Do as the person of the dialogue does, and wait as long."""
    if isinstance(action, Say):
        await api.send(conversation_id, action.words, client_id=f"m{number}", on_busy="queue")
    else:
        [(call, asked)] = (await api.show(conversation_id))["pending"].items()
        known = {"tool_call_id": call, "arguments_hash": asked["arguments_hash"]}
        body: dict[str, Any] = {**known, "decision": action.decision, **action.fields}
        decided = await api.post(conversation_id, "resolutions", body)
        assert decided.status_code == 202, decided.text

    async def settled() -> bool:
        return bool((await api.show(conversation_id))["state"] == action.then)

    await eventually(settled)


async def turns_of(api: Api, conversation_id: str) -> int:
    return (await api.types(conversation_id)).count("turn_ended")

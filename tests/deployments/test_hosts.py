"""Shared hosts that are full, that leave and that die: conversations move, and doors need not know it beforehand."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
import ray
from ray.actor import ActorHandle

from agents.clock import now_ms
from agents.context import AgentContext
from agents.turn.inputs import UserMessage
from deployments.catalog import catalog
from deployments.door import Door
from store import Store, connect
from tests.deployments.api import eventually
from tests.deployments.conftest import check_conversation
from tests.deployments.crowded import APART, ROOM, CrowdedHost
from tests.service import RunningService

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


@pytest.fixture
async def store(service: RunningService) -> AsyncIterator[Store]:
    store = connect(service.redis.url, prefix=APART)
    yield store
    await store.aclose()


@pytest.fixture
def door(service: RunningService, store: Store) -> Door:
    settings = service.settings().model_copy(
        update={"namespace": APART, "prefix": APART, "comfortable_conversations": ROOM}
    )
    return Door(settings, store, catalog(settings), CrowdedHost)


@pytest.fixture(autouse=True)
def hosts_end() -> AsyncIterator[None]:
    """What the test's door has started."""
    yield
    for host in hosts().values():
        ray.kill(host)


def hosts() -> dict[str, ActorHandle]:
    """Those of the test, by name."""
    found = ray.util.list_named_actors(all_namespaces=True)
    names = sorted(entry["name"] for entry in found if entry["namespace"] == APART)
    return {name: ray.get_actor(name, namespace=APART) for name in names}


async def created(store: Store, conversation_id: str) -> str:
    await store.registry.create(conversation_id, agent="assistant", principal="local", placement="shared", now=now_ms())
    return conversation_id


async def say(door: Door, conversation_id: str, words: str) -> None:
    message = UserMessage(content=[{"type": "text", "text": words}], client_id=words, on_busy="queue")
    await door.send(conversation_id, message, AgentContext())


async def living(host: ActorHandle, conversations: list[str]) -> list[str]:
    """Those of these conversations that live in the host."""
    elsewhere = set(await host.missing.remote(conversations))
    return [conversation_id for conversation_id in conversations if conversation_id not in elsewhere]


async def test_where_a_host_is_full_or_leaves_or_dies_conversations_go_to_the_next(door: Door, store: Store) -> None:
    everybody = [await created(store, f"c{number}") for number in range(2 * ROOM)]
    for conversation_id in everybody:
        await say(door, conversation_id, "hello")
    first, second = hosts().values()
    there, here = await living(first, everybody), await living(second, everybody)
    assert (len(there), len(here)) == (ROOM, ROOM), "a full host is known as such, whatever has been reported so far"

    await door.dismiss(here[0], (await store.registry.get(here[0])).place)

    async def has_room() -> bool:
        return await living(second, everybody) == here[1:]

    await eventually(has_room)
    first.leave.remote()
    await say(door, there[0], "are you there?")
    assert there[0] in await living(second, everybody)

    os.kill(await second.pid.remote(), signal.SIGKILL)
    await asyncio.gather(*(say(door, conversation_id, "and now?") for conversation_id in everybody))
    for conversation_id, turns in zip([*there, *here], (3, 2, 2, 2), strict=True):

        async def answered(key: str = conversation_id, last_seq: int = 3 * turns) -> bool:
            return (await store.registry.get(key)).last_seq == last_seq

        await eventually(answered)
        await check_conversation(store, conversation_id)

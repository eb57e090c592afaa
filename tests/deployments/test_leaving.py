"""Eviction end to end: processes end, their names are free again, and their conversations lose nothing.

The environments of this file's agents set times of a fraction of a second.
"""

from collections.abc import Awaitable, Callable

import pytest
import ray

from deployments.routing.placement import actor_name
from tests.deployments.conftest import actor_of, own_door, pid_of
from tests.support.api import Api, eventually
from tests.support.service import RunningService, is_alive
from tests.support.service_agents import Ledger

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


@pytest.fixture
def placement() -> None:
    """None is requested: the agents' own counts."""
    return


def names() -> list[str]:
    return [found["name"] for found in ray.util.list_named_actors(all_namespaces=True)]


def gone(conversation_id: str, pid: int) -> Callable[[], Awaitable[bool]]:
    """Whether its process has ended, and its name is free."""

    async def is_gone() -> bool:
        return actor_name(conversation_id) not in names() and not is_alive(pid)

    return is_gone


async def pid_in_a_turn(api: Api, ledger: Ledger, conversation_id: str) -> int:
    """Its process, asked for in a turn, which is over then: after it the process may leave before it is asked."""
    await api.send(conversation_id, "wait: here")
    pid = await pid_of(conversation_id)
    ledger.open_gate(conversation_id)
    await api.rest(conversation_id)
    return pid


async def test_idle_for_long_it_leaves_and_comes_back_with_its_memory(api: Api, ledger: Ledger) -> None:
    conversation_id = await api.create("leaves_soon")
    pid = await pid_in_a_turn(api, ledger, conversation_id)
    before = await api.log(conversation_id)
    await eventually(gone(conversation_id, pid))
    assert (await api.show(conversation_id))["last_exit"] == "idle"
    events = await api.turn(conversation_id, "hello again")
    assert events[-1]["type"] == "turn_completed"
    log = await api.log(conversation_id)
    assert log[: len(before)] == before
    assert [event["turn"] for event in log if event["type"] == "user_msg"] == [1, 2]


async def test_an_actor_that_gets_no_call_leaves_too(api: Api, service: RunningService) -> None:
    conversation_id = await api.create("leaves_soon")
    address = await own_door(service).ensure_started(conversation_id)
    await eventually(gone(conversation_id, await address.actor.pid.remote()))


async def test_working_and_watched_conversations_outlast_an_idle_one(api: Api, ledger: Ledger) -> None:
    working, watched, idle = [
        await api.create(agent) for agent in ("leaves_soon", "stays_while_watched", "leaves_soon")
    ]
    await api.send(working, "wait: here")
    async with api.watching(watched) as stream:
        await api.send(watched, "hello")
        await stream.until("turn_completed")
        pids = [await pid_of(working), await pid_of(watched)]
        await eventually(gone(idle, await pid_in_a_turn(api, ledger, idle)))
        assert [await pid_of(working), await pid_of(watched)] == pids
        assert all(map(is_alive, pids))
    ledger.open_gate(working)
    for conversation_id, pid in zip((working, watched), pids, strict=True):
        await eventually(gone(conversation_id, pid))
    assert [deed for _, deed in ledger.read(working)] == ["started", "done"]
    assert [event["outcome"] for event in await api.log(working) if event["type"] == "turn_ended"] == ["completed"]


async def test_parked_it_hibernates_where_it_is_and_the_approval_wakes_it(api: Api) -> None:
    conversation_id = await api.create("hibernates_soon")
    await api.turn(conversation_id, "announce: lunch")
    actor, pid = await actor_of(conversation_id), await pid_of(conversation_id)

    async def sleeps() -> bool:
        return (await actor.inspect.remote(conversation_id)) is None

    await eventually(sleeps)
    assert actor_name(conversation_id) in names()
    shown = await api.show(conversation_id)
    assert shown["state"] == "awaiting_input"
    assert await sleeps(), "it is shown without being woken"
    [call] = shown["pending"]
    response = await api.post(conversation_id, "resolutions", {"tool_call_id": call, "decision": "approve"})
    assert response.status_code == 202
    log = await api.rest(conversation_id)
    assert [event["status"] for event in log if event["type"] == "tool_result"] == ["ok"]
    assert await pid_of(conversation_id) == pid


async def test_where_memory_is_short_it_leaves_at_once(api: Api, ledger: Ledger) -> None:
    conversation_id = await api.create("short_of_memory")
    await eventually(gone(conversation_id, await pid_in_a_turn(api, ledger, conversation_id)))
    assert (await api.show(conversation_id))["last_exit"] == "memory"

"""SIGKILL of nodes and of many hosts at once: everything unfinished goes on elsewhere by itself."""

import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from deployments.background.recovery_sweep import MAX_WAKING
from tests.cluster.conftest import deeds, finished, place_of, started, working
from tests.support.api import Api, eventually
from tests.support.running_cluster import RunningCluster
from tests.support.service_agents import Ledger

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]

MANY = 60


def ready(api: Api) -> Callable[[], Awaitable[bool]]:
    async def answers() -> bool:
        return (await api.http.get("/readyz")).status_code == 200

    return answers


async def test_what_a_dead_node_left_unfinished_goes_on_on_another(
    cluster: RunningCluster, api: Api, ledger: Ledger
) -> None:
    placed = {await working(api, ledger, placement): placement for placement in ("shared", "dedicated") * 3}
    parked = [await api.create("worker") for _ in range(2)]
    for conversation_id in parked:
        await api.turn(conversation_id, "announce: lunch")
    actors = await cluster.do("actors")
    at = {key: await place_of(api, key) for key in (*placed, *parked)}
    node_of = {key: actors[place]["node"] for key, place in at.items()}
    doomed = max(cluster.nodes, key=lambda node: len({placed[key] for key in placed if node_of[key] == node}))
    lost = [key for key in placed if node_of[key] == doomed]
    assert lost

    await cluster.lose_node(doomed)
    for conversation_id in lost:
        await started(ledger, conversation_id, times=2)

    live, actors = await cluster.do("live_actors"), await cluster.do("actors")
    assert set(live) <= set(actors), "an actor of a dead node does not live"
    assert doomed not in {actor["node"] for actor in actors.values()}
    await eventually(ready(api))  # a replica that was on that node is replaced
    for conversation_id in placed:
        assert (await finished(api, ledger, conversation_id)).count("tool_result") == 1
        assert deeds(ledger, conversation_id).count("started") == (2 if conversation_id in lost else 1)
    for conversation_id in parked:
        [call] = (await api.show(conversation_id))["pending"]
        answer = {"tool_call_id": call, "decision": "approve"}
        assert (await api.post(conversation_id, "resolutions", answer)).status_code == 202
        assert (await api.rest(conversation_id))[-1]["outcome"] == "completed"
    await cluster.add_node()


async def test_many_are_woken_a_few_at_a_time_and_newcomers_do_not_wait(
    cluster: RunningCluster, api: Api, ledger: Ledger
) -> None:
    many = [await api.create("worker") for _ in range(MANY)]
    for conversation_id in many:
        await api.send(conversation_id, "wait: for it")
    for conversation_id in many:
        await started(ledger, conversation_id)
    await cluster.do("sweep")

    for name, actor in (await cluster.do("actors")).items():
        if name.startswith("host:"):
            os.kill(actor["pid"], signal.SIGKILL)
    newcomer = await api.create()
    assert (await api.turn(newcomer, "hello"))[-1]["type"] == "turn_completed"

    for conversation_id in many:
        await started(ledger, conversation_id, times=2)
    woken = await cluster.do("woken")
    assert 0 < woken["all"] <= MANY
    assert woken["at_once"] == MAX_WAKING
    for conversation_id in many:
        ledger.open_gate(conversation_id)

    async def all_done() -> bool:
        page = (await api.http.get("/v1/conversations", params={"limit": MANY})).json()
        states = {shown["id"]: shown["state"] for shown in page["conversations"]}
        return all(states.get(conversation_id, "idle") == "idle" for conversation_id in many)

    await eventually(all_done)
    assert all(deeds(ledger, conversation_id).count("started") == 2 for conversation_id in many)

"""Two incarnations of one conversation in two processes: the older one writes, calls and shows nothing."""

import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from store import Store
from tests.cluster.conftest import deeds, place_of, started, working
from tests.support.api import Api, eventually
from tests.support.running_cluster import RunningCluster
from tests.support.service_agents import Ledger

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
async def other(cluster: RunningCluster, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A shared host in which no door places conversations."""
    node = cluster.nodes[0]
    name = f"host:{node[:12]}:0:{request.node.name}"
    await cluster.do("start_host", name=name, node=node)
    yield name
    actors = await cluster.do("actors")
    if name in actors:
        os.kill(actors[name]["pid"], signal.SIGKILL)


async def left(cluster: RunningCluster, place: str, conversation_id: str) -> None:
    """Wait until the incarnation that lived there is gone."""

    async def gone() -> bool:
        return not await cluster.do("lives_in", name=place, conversation_id=conversation_id)

    await eventually(gone)


async def test_in_the_middle_of_an_answer(cluster: RunningCluster, api: Api, store: Store, other: str) -> None:
    conversation_id = await api.create("talker")
    async with api.watching(conversation_id) as stream:
        await api.send(conversation_id, "120")
        await stream.until("text_delta")
        older = await place_of(api, conversation_id)
        newer = await cluster.do("wake_in", name=other, conversation_id=conversation_id)
        await stream.until("turn_completed")
        await left(cluster, older, conversation_id)
        seen = list(stream.seen)
    log = await api.log(conversation_id)

    [answer] = [event for event in log if event["type"] == "assistant_msg"]
    assert answer["message_id"].endswith(f"_{newer['epoch']}"), "the log has the answer of the newer one"
    told = [event["message_id"] for event in seen if event["type"] == "text_delta"]
    first = told.index(answer["message_id"])
    assert set(told[first:]) == {answer["message_id"]}, "the older incarnation says nothing any more"
    assert [event for event in seen if "v" in event] == log
    assert (await store.registry.get(conversation_id)).epoch == newer["epoch"]


async def test_while_a_tool_runs(cluster: RunningCluster, api: Api, ledger: Ledger, other: str) -> None:
    conversation_id = await working(api, ledger, "shared")
    older = await place_of(api, conversation_id)
    await cluster.do("wake_in", name=other, conversation_id=conversation_id)
    await started(ledger, conversation_id, times=2)

    ledger.open_gate(conversation_id)
    log = await api.rest(conversation_id)
    await left(cluster, older, conversation_id)

    assert await api.log(conversation_id) == log
    assert [event["type"] for event in log].count("tool_result") == 1
    assert len({key for key, _ in ledger.read(conversation_id)}) == 1, "the call has one id, in both incarnations"


async def test_while_a_person_is_asked(cluster: RunningCluster, api: Api, other: str) -> None:
    conversation_id = await api.create("worker")
    await api.turn(conversation_id, "announce: lunch")
    older = await place_of(api, conversation_id)
    await cluster.do("wake_in", name=other, conversation_id=conversation_id)
    [call] = (await api.show(conversation_id))["pending"]

    response = await api.post(conversation_id, "resolutions", {"tool_call_id": call, "decision": "approve"})

    assert response.status_code == 202
    assert [event["type"] for event in await api.rest(conversation_id)].count("resolution") == 1
    await left(cluster, older, conversation_id)
    assert await place_of(api, conversation_id) == other


async def test_a_stopped_incarnation_wakes_up_when_all_is_over(
    cluster: RunningCluster, api: Api, ledger: Ledger, other: str
) -> None:
    """Its second call was logged before, and it has not heard yet that a newer incarnation has it."""
    conversation_id = await api.create("pair")
    await api.send(conversation_id, "go")
    await started(ledger, conversation_id)
    older = await place_of(api, conversation_id)
    pid = (await cluster.do("actors"))[older]["pid"]

    os.kill(pid, signal.SIGSTOP)
    try:
        await cluster.do("wake_in", name=other, conversation_id=conversation_id)
        ledger.open_gate(conversation_id)
        log = await api.rest(conversation_id)
        before = ledger.read(conversation_id)
    finally:
        os.kill(pid, signal.SIGCONT)
    await left(cluster, older, conversation_id)

    first, second = (event["tool_call_id"] for event in log if event["type"] == "tool_call")
    assert before.count((first, "started")) == 2
    since: list[Any] = ledger.read(conversation_id)[len(before) :]
    assert set(since) <= {(first, "done")}, "what it had begun may end; it begins nothing"
    assert ledger.read(conversation_id).count((second, "started")) == 1
    assert await api.log(conversation_id) == log
    assert deeds(ledger, conversation_id).count("started") == 3

"""Turns without progress are named with what they wait for, and aborted even in a process that does not answer."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import finished, place_of, started, working
from tests.support.api import Api, eventually
from tests.support.running_cluster import RunningCluster
from tests.support.service import is_alive
from tests.support.service_agents import Ledger

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]

RAYLOGUE = Path(sys.executable).with_name("raylogue")


async def eventually_stuck(api: Api, conversation_id: str) -> dict[str, Any]:
    """What `/v1/stuck` says of the conversation, once it is named there."""
    found: dict[str, Any] = {}

    async def named() -> bool:
        for turn in (await api.http.get("/v1/stuck")).json()["stuck"]:
            if turn["conversation_id"] == conversation_id:
                found.update(turn)
        return bool(found)

    await eventually(named)
    return found


async def test_a_tool_that_does_not_end_is_named_and_its_turn_aborted(
    cluster: RunningCluster, api: Api, ledger: Ledger
) -> None:
    conversation_id = await working(api, ledger, "shared")
    place = await place_of(api, conversation_id)
    pid = (await cluster.do("actors"))[place]["pid"]

    stuck = await eventually_stuck(api, conversation_id)
    [waits] = stuck["waits_for"]
    assert (waits["kind"], waits["name"]) == ("tool", "wait")
    assert (stuck["agent"], stuck["place"]) == ("worker", place)

    done = subprocess.run(
        [RAYLOGUE, "release", conversation_id, "--url", cluster.url], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "Released: turn 1 has failed\n")
    log = await api.log(conversation_id)
    assert [(event["outcome"], event["reason"]) for event in log if event["type"] == "turn_ended"] == [
        ("failed", "released")
    ]
    assert (await cluster.do("actors"))[place]["pid"] == pid, "a host that answers is left alone"
    assert (await api.turn(conversation_id, "hello"))[-1]["type"] == "turn_completed"
    again = await api.post(conversation_id, "release")
    assert (again.status_code, again.json()["type"]) == (409, "urn:raylogue:problem:not_running")


async def test_a_silent_process_is_named_and_killed_and_its_other_conversations_go_on(
    cluster: RunningCluster, api: Api, ledger: Ledger
) -> None:
    conversation_id = await api.create("blocker")
    first = await working(api, ledger, "shared")
    neighbours = [first]
    while len(neighbours) < 12:
        neighbours.append(await working(api, ledger, "shared"))
    await api.send(conversation_id, "block: all")
    await started(ledger, conversation_id)
    place = await place_of(api, conversation_id)
    pid = (await cluster.do("actors"))[place]["pid"]
    shared = [key for key in neighbours if await place_of(api, key) == place]

    stuck = await eventually_stuck(api, conversation_id)
    assert stuck["waits_for"] == [{"kind": "host", "name": place}]

    released = (await api.post(conversation_id, "release")).json()
    assert (released["turn"], released["killed"]) == (1, place)
    assert (await api.turn(conversation_id, "hello"))[-1]["type"] == "turn_completed"

    async def killed() -> bool:
        return not is_alive(pid)

    await eventually(killed)
    for key in shared:
        await started(ledger, key, times=2)
    for key in neighbours:
        await finished(api, ledger, key)
    types = [event["type"] for event in await api.log(conversation_id)]
    assert types.count("tool_result") == types.count("tool_call") == 1

"""The control plane hangs, or dies and comes back: live conversations go on, others when it is back, none twice."""

import signal
from typing import Any

import pytest

from tests.cluster.conftest import finished, place_of, working
from tests.support.api import Api, eventually
from tests.support.running_cluster import RunningCluster
from tests.support.service_agents import Ledger

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]


async def test_while_it_hangs_live_conversations_go_on_and_others_are_accepted(
    cluster: RunningCluster, api: Api, ledger: Ledger
) -> None:
    live, cold = await api.create(), await api.create(placement="dedicated")
    await api.turn(live, "my name is Ada")
    busy = [await working(api, ledger, placement) for placement in ("shared", "dedicated")]
    before = await cluster.do("actors")

    await cluster.do("signal_gcs", number=signal.SIGSTOP)
    try:
        assert (await api.turn(live, "what is my name?"))[-1]["type"] == "turn_completed"
        await check_accepted(api, cold)
        for conversation_id in busy:
            await finished(api, ledger, conversation_id)
    finally:
        await cluster.do("signal_gcs", number=signal.SIGCONT)

    await eventually_answered(api, cold)
    after = await cluster.do("actors")
    assert {name: after.get(name) for name in before} == before, "no actor died, and none lives twice"


async def test_it_is_killed_and_comes_back_with_all_it_knew(cluster: RunningCluster, api: Api, ledger: Ledger) -> None:
    live, cold = await api.create(), await api.create(placement="dedicated")
    await api.turn(live, "my name is Ada")
    busy = await working(api, ledger, "dedicated")
    before = await cluster.do("actors")

    await cluster.do("kill_gcs")
    try:
        assert (await api.turn(live, "what is my name?"))[-1]["type"] == "turn_completed"
        await check_accepted(api, cold)
    finally:
        await cluster.do("start_gcs")

    await eventually_answered(api, cold)
    await finished(api, ledger, busy)
    after = await cluster.do("actors")
    assert {name: after.get(name) for name in before} == before, "no actor died, and none lives twice"
    assert await place_of(api, cold) in after
    assert len({actor["pid"] for actor in after.values()}) == len(after)


async def check_accepted(api: Api, conversation_id: str) -> None:
    """It lives nowhere, since it never has: its message is in the log, and its process starts when that is possible."""
    receipt = await api.send(conversation_id, "hello", client_id="m1")
    assert (receipt["seq"], receipt["duplicate"]) == (1, False)
    assert (await api.show(conversation_id))["place"] is None


async def eventually_answered(api: Api, conversation_id: str) -> None:
    """Send the same message again and again, as a client does that was told to come back."""

    async def taken() -> Any:
        response = await api.post(conversation_id, "messages", {"text": "hello", "client_id": "m1"})
        assert response.status_code in (202, 503), response.text
        return response.status_code == 202

    await eventually(taken)
    log = await api.rest(conversation_id)
    assert [event["type"] for event in log] == ["user_msg", "assistant_msg", "turn_ended"]

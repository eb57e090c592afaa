"""The whole cluster dies, only Redis stays: what was unfinished goes on by itself in a new cluster."""

import pytest

from tests.cluster.conftest import NODES, finished, started, working
from tests.support.api import Api
from tests.support.running_cluster import RunningCluster
from tests.support.service_agents import Ledger

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]


async def test_turns_go_on_in_a_new_cluster(cluster: RunningCluster, api: Api, ledger: Ledger) -> None:
    unfinished = [await working(api, ledger, placement) for placement in ("shared", "dedicated") * 2]
    parked = await api.create("worker")
    await api.turn(parked, "announce: lunch")

    cluster.kill()
    cluster.start(NODES, serve=True)

    for conversation_id in unfinished:
        await started(ledger, conversation_id, times=2)
        assert (await finished(api, ledger, conversation_id)).count("tool_result") == 1
    [call] = (await api.show(parked))["pending"]
    answer = {"tool_call_id": call, "decision": "approve"}
    assert (await api.post(parked, "resolutions", answer)).status_code == 202
    assert (await api.rest(parked))[-1]["outcome"] == "completed"

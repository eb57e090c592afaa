"""Nodes join and are drained: conversations leave a node that is about to go for one that stays."""

import pytest

from tests.cluster.conftest import deeds, finished, node_of, started, working
from tests.support.api import Api, eventually
from tests.support.running_cluster import RunningCluster
from tests.support.service_agents import Ledger

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]

PLACEMENTS = ("shared", "dedicated")


async def test_all_conversations_leave_the_drained_nodes_for_the_one_that_joined(
    cluster: RunningCluster, api: Api, ledger: Ledger
) -> None:
    drained, joined = list(cluster.nodes), await cluster.add_node()
    resting = [await api.create(placement=placement) for placement in PLACEMENTS]
    for conversation_id in resting:
        await api.turn(conversation_id, "my name is Ada")
    at_work = [await working(api, ledger, placement) for placement in PLACEMENTS * 2]
    lived = {key: await node_of(cluster, api, key) for key in (*resting, *at_work)}

    for node in drained:
        await cluster.do("drain_node", node=node)

    for conversation_id in at_work:
        moved = lived[conversation_id] in drained
        await started(ledger, conversation_id, times=1 + moved)
        assert (await finished(api, ledger, conversation_id)).count("tool_result") == 1
        assert deeds(ledger, conversation_id).count("started") == 1 + moved
    for conversation_id in resting:
        await api.turn(conversation_id, "what is my name?")
    newcomer = await api.create()
    await api.turn(newcomer, "hello")
    for conversation_id in (*lived, newcomer):
        assert await node_of(cluster, api, conversation_id) == joined

    async def drained_are_empty() -> bool:
        return {actor["node"] for actor in (await cluster.do("actors")).values()} == {joined}

    await eventually(drained_are_empty)
    store = cluster.store()
    lines = [line.fields() for line in await store.audit.read_back("-", limit=1000)]
    await store.aclose()
    assert sorted(line["data"]["node"] for line in lines if line["type"] == "node_drained") == sorted(drained)
    for node in drained:
        await cluster.lose_node(node)
    await cluster.add_node()

"""A node with other code than the replicas, as while new code is rolled out: hosts start where they can."""

import shutil
from pathlib import Path

import pytest

from deployments.routing.placement import Node, choose_node
from tests.cluster.conftest import node_of
from tests.support.api import Api, eventually
from tests.support.running_cluster import RunningCluster
from tests.support.service import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]

PACKAGES = ("store", "agents", "deployments", "tests")


async def test_where_no_host_can_start_the_conversation_starts_on_another_node(
    cluster: RunningCluster, api: Api, tmp_path: Path
) -> None:
    node = await cluster.add_node(copy_with(tmp_path, "deployments/host/actor.py", "def make_room", "def find_room"))

    async def has_been_tried() -> bool:  # once the service has heard of the node
        conversation_id = await create_for_node(cluster, api, node)
        await api.turn(conversation_id, "hello")
        assert await node_of(cluster, api, conversation_id) != node
        return bool(await cluster.do("ended_on", node=node))

    await eventually(has_been_tried)
    for _ in cluster.nodes:  # the service knows by now that hosts do not start there
        newcomer = await api.create(placement="shared")
        await api.turn(newcomer, "hello")
        assert await node_of(cluster, api, newcomer) != node
    ended = await cluster.do("ended_on", node=node)
    assert len(ended) == len(set(ended)), "a host and the conversation's actor may have been tried there, each once"
    await cluster.lose_node(node)


def copy_with(directory: Path, file: str, old: str, new: str) -> Path:
    """A copy of the product with every `old` in that file replaced by `new`."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, directory / package)
    text = (directory / file).read_text()
    assert old in text, f"{file} has no {old}"
    (directory / file).write_text(text.replace(old, new))
    return directory


async def create_for_node(cluster: RunningCluster, api: Api, node: str) -> str:
    """A conversation whose dedicated actor should start on that node."""
    while True:
        conversation_id = await api.create(placement="dedicated")
        first = choose_node(conversation_id, [Node(each, 1, 1) for each in cluster.nodes], {})
        if first is not None and first.id == node:
            return conversation_id

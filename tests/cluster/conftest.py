"""A client of a cluster of several raylets, whose conversations must have lawful logs when the test is over."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from store import Store
from tests.deployments.conftest import person_at
from tests.support.api import Api, eventually
from tests.support.running_cluster import RunningCluster
from tests.support.service_agents import Ledger

NODES = 2


@pytest.fixture(scope="session")
def cluster() -> Iterator[RunningCluster]:
    """One for the whole tier; a test that takes a node away adds another one."""
    with RunningCluster(Path(tempfile.mkdtemp(prefix="raylogue-cluster-"))) as running:
        running.start(NODES, serve=True)
        yield running


@pytest.fixture
async def store(cluster: RunningCluster) -> AsyncIterator[Store]:
    """The cluster's store, as the test sees it."""
    store = cluster.store()
    yield store
    await store.aclose()


@pytest.fixture
def ledger(cluster: RunningCluster) -> Ledger:
    """What the tools of the `worker` did."""
    return Ledger(cluster.data_dir)


@pytest.fixture
async def api(cluster: RunningCluster, store: Store) -> AsyncIterator[Api]:
    """Requests to the service."""
    async with person_at(cluster.url, "shared", store) as person:
        yield person


async def started(ledger: Ledger, conversation_id: str, times: int = 1) -> None:
    """Wait until the tool has begun so many times, in any process."""

    async def enough() -> bool:
        return deeds(ledger, conversation_id).count("started") >= times

    await eventually(enough)


def deeds(ledger: Ledger, conversation_id: str) -> list[str]:
    return [deed for _, deed in ledger.read(conversation_id)]


async def place_of(api: Api, conversation_id: str) -> str:
    """The name of the actor in which it lives."""
    place: str = (await api.show(conversation_id))["place"]
    return place


async def node_of(cluster: RunningCluster, api: Api, conversation_id: str) -> str:
    """The id of the node on which the conversation lives."""
    node: str = (await cluster.do("actors"))[await place_of(api, conversation_id)]["node"]
    return node


async def working(api: Api, ledger: Ledger, placement: str) -> str:
    """A conversation whose tool has begun, and waits for its gate."""
    conversation_id = await api.create("worker", placement=placement)
    await api.send(conversation_id, "wait: for it")
    await started(ledger, conversation_id)
    return conversation_id


async def finished(api: Api, ledger: Ledger, conversation_id: str) -> list[str]:
    """Open the gate; the types of the log once the turn has ended."""
    ledger.open_gate(conversation_id)
    log = await api.rest(conversation_id)
    assert [event["outcome"] for event in log if event["type"] == "turn_ended"] == ["completed"]
    return [event["type"] for event in log]

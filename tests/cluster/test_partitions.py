"""A node in a network namespace is cut off from Redis, then from the control plane: no fenced incarnation writes."""

import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from agents.clock import now_ms
from agents.codec import decode
from deployments.local.processes import end_all
from store import Store, connect
from store.registries.lists import of_principal
from tests.cluster.conftest import deeds, started
from tests.deployments.conftest import check_conversation
from tests.servers.process import available_binaries
from tests.support.api import eventually
from tests.support.namespaces import NamespacedServer, Namespaces, unavailable
from tests.support.running_cluster import Refusal, RunningCluster
from tests.support.service import is_alive
from tests.support.service_agents import Ledger

NO_NAMESPACES = unavailable()
pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(NO_NAMESPACES is not None, reason=str(NO_NAMESPACES)),
]


@pytest.fixture
def namespaces() -> Iterator[Namespaces]:
    namespaces = Namespaces()
    with namespaces.laid():
        yield namespaces


@pytest.fixture
def divided(namespaces: Namespaces) -> Iterator[RunningCluster]:
    """A cluster with its head in the hub, without an ingress: the test speaks through the machine's own door."""
    directory = Path(tempfile.mkdtemp(prefix="raylogue-divided-"))
    head = namespaces.address("hub", "control")
    cluster = RunningCluster(
        directory,
        redis=NamespacedServer(available_binaries()["valkey-8.1"], directory / "redis", namespaces),
        prefix=namespaces.inside(namespaces.hub),
        env={"CLUSTER_ADDRESS": head, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"},
    )
    with cluster:
        cluster.start(0, serve=False)
        yield cluster


@pytest.fixture
def far_node(divided: RunningCluster, namespaces: Namespaces) -> Iterator[str]:
    """A node at the other end of the cables; its id."""
    with (divided.directory / "far.log").open("ab") as output:
        process = subprocess.Popen(
            [
                *namespaces.inside(namespaces.far),
                *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"),
                *("--address", divided.ask("address"), "--node-ip-address", namespaces.address("far", "control")),
                *("--num-cpus", "1", "--object-store-memory", str(80 * 1024**2)),
            ],
            env=divided.ask("environment"),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield divided.ask("await_node", address=namespaces.address("far", "control"))
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        end_all([psutil.Process(process.pid), *children], grace=0.0)
        process.wait()


@pytest.fixture
async def store(divided: RunningCluster) -> AsyncIterator[Store]:
    """The store, reached from outside the namespaces; all its conversations are checked in the end."""
    assert isinstance(divided.redis, NamespacedServer)
    store = connect(divided.redis.outside)
    yield store
    metas, _ = await store.registry.list(of_principal("local"), limit=100)
    for meta in metas:
        await check_conversation(store, meta.id)
    await store.aclose()


async def test_a_node_is_cut_off(divided: RunningCluster, far_node: str, namespaces: Namespaces, store: Store) -> None:
    ledger = Ledger(divided.data_dir)
    place = f"host:{far_node[:12]}:0:0"
    await divided.do("start_host", name=place, node=far_node)
    host = (await divided.do("actors"))[place]
    assert host["node"] == far_node
    for conversation_id in ("redis-away", "waiting", "gcs-away"):
        await store.registry.create(conversation_id, agent="worker", principal="local", now=now_ms())
        await divided.do("wake_in", name=place, conversation_id=conversation_id)
        await divided.do("wake", conversation_id=conversation_id)  # the door knows now where it lives
    await divided.do("sweep")

    await _cut_off_from_redis(divided, namespaces, store, ledger)
    await _cut_off_from_the_control_plane(divided, namespaces, store, ledger, host["pid"])


async def _cut_off_from_redis(divided: RunningCluster, namespaces: Namespaces, store: Store, ledger: Ledger) -> None:
    """Turns wait, nothing is acknowledged, nothing unlogged is done; then all goes on."""
    await divided.do("say", conversation_id="redis-away", text="wait: here")
    await started(ledger, "redis-away")
    before = await store.log.read("redis-away")
    namespaces.cut("data")
    try:
        ledger.open_gate("redis-away")

        async def done() -> bool:
            return "done" in deeds(ledger, "redis-away")

        await eventually(done)
        with pytest.raises(Refusal, match=r"Unreachable|StoreUnavailable"):
            await divided.do("say", conversation_id="waiting", text="witness: me")
        assert await store.log.read("redis-away") == before
        assert (await store.log.read("waiting"), ledger.read("waiting")) == ([], [])
    finally:
        namespaces.mend("data")
    assert (await _types_when_ended(store, "redis-away"))[-3:] == ["ToolResult", "AssistantMsg", "TurnEnded"]
    await divided.do("say", conversation_id="waiting", text="witness: me")
    assert (await _types_when_ended(store, "waiting")).count("UserMsg") == 1, "the same message, sent again"
    assert len(ledger.read("waiting")) == 1


async def _cut_off_from_the_control_plane(
    divided: RunningCluster, namespaces: Namespaces, store: Store, ledger: Ledger, pid: int
) -> None:
    """The node is declared dead and its turn taken up elsewhere, while the older incarnation still works on it."""
    await divided.do("say", conversation_id="gcs-away", text="wait: here")
    await started(ledger, "gcs-away")
    epoch = (await store.registry.get("gcs-away")).epoch
    namespaces.cut("control")
    try:
        await started(ledger, "gcs-away", times=2)
        assert is_alive(pid), "the older incarnation lives, and reaches Redis"
        assert (await store.registry.get("gcs-away")).epoch > epoch
        ledger.open_gate("gcs-away")

        async def both_done() -> bool:
            return deeds(ledger, "gcs-away").count("done") == 2

        await eventually(both_done)
        types = await _types_when_ended(store, "gcs-away")
        log = await store.log.read("gcs-away")
    finally:
        namespaces.mend("control")

    async def over() -> bool:
        return not is_alive(pid)

    await eventually(over)
    assert types == ["UserMsg", "AssistantMsg", "ToolCall", "ToolResult", "AssistantMsg", "TurnEnded"]
    assert await store.log.read("gcs-away") == log, "the older incarnation wrote nothing"
    assert len({key for key, _ in ledger.read("gcs-away")}) == 1


async def _types_when_ended(store: Store, conversation_id: str) -> list[str]:
    """Wait until the turn has its end; the types of the log."""

    async def types() -> list[str]:
        return [type(decode(record).event).__name__ for record in await store.log.read(conversation_id)]

    async def ended() -> bool:
        return "TurnEnded" in await types()

    await eventually(ended)
    return await types()

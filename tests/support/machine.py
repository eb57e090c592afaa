"""Several raylets on one machine, and the service on them: a process of its own that takes commands from a test.

Ray and Serve read their environment while they are imported, so this cannot be the test's process. A command is one
line of JSON on standard input, `{"do": name, ...arguments}`; the answer is one line on standard output.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
import traceback
from typing import Any

import psutil
import ray
from ray._private import state
from ray._private.node import Node
from ray._private.worker import global_worker
from ray.cluster_utils import Cluster
from ray.core.generated import autoscaler_pb2
from ray.exceptions import ActorUnschedulableError, RayActorError

from agents.context import AgentContext
from agents.conversation import ConversationStatus
from agents.turn.inputs import UserMessage
from deployments.background.recovery_sweep import RecoverySweep
from deployments.host.actor import HostActor, open_door
from deployments.local.application import run_application
from deployments.local.environment import LOOPBACK
from deployments.process.agents import catalog
from deployments.process.store import connect_store
from deployments.routing.code_version import OwnCodeVersion, code_name
from deployments.routing.control_plane import cluster_name
from deployments.routing.door import Door
from deployments.routing.launcher import ActorSpec
from deployments.settings import Settings
from store import Store
from tests.servers.process import free_port

OBJECT_STORE_BYTES = 80 * 1024**2
NODE_SECONDS = 60.0
TRIES = 4
ARGUMENTS: dict[str, Any] = {
    "node_ip_address": os.environ.get("CLUSTER_ADDRESS", LOOPBACK),
    "object_store_memory": OBJECT_STORE_BYTES,
}


class CountingDoor(Door):
    """Counts the conversations that are being woken."""

    def __init__(self, settings: Settings, store: Store) -> None:
        super().__init__(settings, store, catalog(settings), HostActor, OwnCodeVersion(store, code_name(settings)))
        self.store = store
        self.now = self.all = self.at_once = 0

    async def wake(self, conversation_id: str) -> ConversationStatus:
        self.now += 1
        self.all += 1
        self.at_once = max(self.at_once, self.now)
        try:
            return await super().wake(conversation_id)
        finally:
            self.now -= 1


class Machine:
    """What a test may ask for; every method is a command."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cluster = Cluster()
        # Ray looks whether the dashboard's port is free, even when there is to be no dashboard.
        self._start({"num_cpus": 0, "include_dashboard": False, "dashboard_port": free_port()})
        self._door: Door | None = None

    @property
    def door(self) -> Door:
        """Another door to the conversations, beside that of the ingress."""
        if self._door is None:
            self._door = open_door(self._settings, connect_store(self._settings), catalog(self._settings))
        return self._door

    async def connect(self) -> str:
        """Become a driver; the address of the control plane."""
        ray.init(
            address=self._cluster.address,
            namespace=self._settings.namespace,
            log_to_driver=False,
            logging_level="ERROR",
        )
        return str(self._cluster.address)

    async def address(self) -> str:
        """Of the control plane."""
        return str(self._cluster.address)

    async def environment(self) -> dict[str, str]:
        """That of this process, for nodes that are started elsewhere."""
        return dict(os.environ)

    async def await_node(self, address: str) -> str:
        """Wait for a node that was started elsewhere; its id."""
        deadline = time.monotonic() + NODE_SECONDS
        while time.monotonic() < deadline:
            for node in ray.nodes():
                if node["Alive"] and node["NodeManagerAddress"] == address:
                    return str(node["NodeID"])
            await asyncio.sleep(0.1)
        raise TimeoutError(f"no node at {address}")

    async def serve(self) -> str:
        """Run the application behind HAProxy; its address."""
        await asyncio.to_thread(run_application, self._settings)
        return self._settings.url

    async def add_node(self, **options: Any) -> str:
        """A raylet with a processor; the id of its node."""
        return self._start({"num_cpus": 1, **options}).node_id  # Ray sets signal handlers: in the main thread only

    async def kill_node(self, node: str) -> float:
        """SIGKILL a raylet with all that runs on it; the time of it (monotonic)."""
        found = self._node(node)
        processes = _processes(found)
        at = time.monotonic()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        found.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
        self._cluster.worker_nodes.discard(found)
        return at

    async def drain_node(self, node: str) -> None:
        """Say that a node is about to be taken away, as a cloud or an operator does."""
        accepted, reason = global_worker.gcs_client.drain_node(
            node, autoscaler_pb2.DRAIN_NODE_REASON_PREEMPTION, "spot", 2**53
        )
        assert accepted, reason

    async def signal_node(self, node: str, number: int) -> None:
        """Stop a node or let it go on, with all that runs on it."""
        for process in _processes(self._node(node)):
            process.send_signal(number)

    async def signal_gcs(self, number: int) -> None:
        """Stop the control plane, or let it go on."""
        [info] = self._cluster.head_node.all_processes["gcs_server"]
        os.kill(info.process.pid, number)

    async def kill_gcs(self) -> None:
        """SIGKILL the control plane."""
        self._cluster.head_node.kill_gcs_server()

    async def start_gcs(self) -> None:
        """Start it again where it was."""
        self._cluster.head_node.start_gcs_server()

    async def live_actors(self) -> list[str]:
        """The names of all actors that live, as this door knows them."""
        return sorted(await self.door._control_plane.live_actors())

    async def actors(self) -> dict[str, dict[str, Any]]:
        """Node and process of every living actor of ours, by name."""
        return {
            actor["Name"]: {"node": actor["Address"]["NodeID"], "pid": actor["Pid"]}
            for actor in (await asyncio.to_thread(state.actors)).values()
            if actor["State"] == "ALIVE" and actor["Name"].startswith(("host:", "conversation:"))
        }

    async def ended_on(self, node: str) -> list[str]:
        """The names of our actors that were started on that node and have ended."""
        return [
            actor["Name"]
            for actor in (await asyncio.to_thread(state.actors)).values()
            if actor["State"] == "DEAD" and actor["Address"]["NodeID"] == node
        ]

    async def start_host(self, name: str, node: str) -> None:
        """Start a shared host of that name on that node, which may be too new for others to know it."""
        while True:
            address = await self.door._start(ActorSpec(name, node))
            try:
                await address.actor.pid.remote()
            except (RayActorError, ActorUnschedulableError):  # an actor of that name may be dying
                self.door.hosts.forget(name)
                await asyncio.sleep(0.2)
            else:
                return

    async def wake_in(self, name: str, conversation_id: str) -> dict[str, Any]:
        """Activate a conversation in an actor, even if it lives elsewhere: it looks as if it had left there."""
        store = self.door._store
        await store._client.redis.hset(store.keys.conversation(conversation_id).meta, "exit", "moved")
        status = await ray.get_actor(name, namespace=self._settings.namespace).wake.remote(conversation_id)
        return {"epoch": status.epoch, "state": status.state}

    async def wake(self, conversation_id: str) -> dict[str, Any]:
        """Reach a conversation through this door."""
        status = await self.door.wake(conversation_id)
        return {"epoch": status.epoch, "state": status.state}

    async def say(self, conversation_id: str, text: str) -> int:
        """Send a message, always the same one to a conversation; its seq."""
        message = UserMessage(content=[{"type": "text", "text": text}], client_id="m1", principal="local")
        return (await self.door.send(conversation_id, message, AgentContext(principal="local"))).seq

    async def lives_in(self, name: str, conversation_id: str) -> bool:
        """Whether an incarnation of the conversation is in that actor."""
        actor = ray.get_actor(name, namespace=self._settings.namespace)
        return not await actor.missing.remote([conversation_id])

    async def sweep(self) -> None:
        """Sweep for unfinished turns from here as well, and count how many are woken at a time."""
        self._counting = CountingDoor(self._settings, connect_store(self._settings))
        self._sweeping = asyncio.create_task(RecoverySweep(self._counting.store, self._counting, cluster_name()).run())

    async def woken(self) -> dict[str, int]:
        """How many were woken since, and the most at once; ends the sweep."""
        self._sweeping.cancel()
        return {"all": self._counting.all, "at_once": self._counting.at_once}

    def _start(self, options: dict[str, Any]) -> Node:
        """Start a node, again if Ray's thirty seconds were not enough on a busy machine."""
        for _ in range(TRIES - 1):
            try:
                return self._cluster.add_node(**ARGUMENTS, **options)
            except Exception:  # Ray raises bare ones
                traceback.print_exc()
        return self._cluster.add_node(**ARGUMENTS, **options)

    def _node(self, node: str) -> Node:
        return next(found for found in self._cluster.list_all_nodes() if found.node_id == node)


def _processes(node: Node) -> list[psutil.Process]:
    started = [psutil.Process(info.process.pid) for infos in node.all_processes.values() for info in infos]
    return [*started, *(child for process in started for child in process.children(recursive=True))]


async def _run_commands(machine: Machine) -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        try:
            answer = {"answer": await getattr(machine, command.pop("do"))(**command)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=ANSWERS, flush=True)


def _end_all() -> None:
    """Kill the children: a process that the test has stopped cannot end by itself."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)
            process.kill()


if __name__ == "__main__":
    ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Ray prints to standard output as well
    try:
        asyncio.run(_run_commands(Machine(Settings())))
    finally:
        _end_all()

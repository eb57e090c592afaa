"""The pods of rayservice.yaml as containers of this machine, with the commands, environment and probes of the file."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from store import Store
from tests.house.kubernetes import RayService
from tests.support import kuberay
from tests.support.api import Api, answer_texts, eventually
from tests.support.containers import Container, needs_containers
from tests.support.documented_cluster import (
    AGENTS,
    NETWORK,
    PATIENT,
    REDIS,
    START_SECONDS,
    Front,
    Machines,
    node_id,
    ray_processes,
    until_it_streams,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300), needs_containers]
WORDS = 250


@dataclass
class Pods:
    """A head and two workers, and the front of each worker."""

    machines: Machines
    service: RayService
    head: Container
    workers: list[Container]
    fronts: list[Front]

    def worker_of(self, place: str) -> int:
        """The number of the worker on which the actor of that name lives."""
        nodes = [worker.is_on and node_id(worker)[:12] for worker in self.workers]
        return nodes.index(place.split(":")[1])


@pytest.fixture(scope="module")
def pods() -> Iterator[Pods]:
    """As KubeRay starts them, of an image that is built by the Dockerfile's steps; then it deploys the application."""
    keys = {name: secrets.token_hex(16) for name in ("redis-password", "auth_token")}
    keys["redis-url"] = f"redis://:{keys['redis-password']}@{REDIS}:6379/0"
    with (
        tempfile.TemporaryDirectory(prefix="rl-") as directory,
        Machines(Path(directory), keys["redis-password"]) as machines,
    ):
        service = kuberay.described(REDIS)
        cluster = service.spec.ray_cluster_config
        [workers] = cluster.worker_group_specs
        pods = []
        for place, group in enumerate([cluster.head_group_spec, *[workers] * workers.min_replicas]):
            [container] = group.template.spec.containers
            pod = machines.add(f"pod-{place}", f"{NETWORK}.{30 + place}", container.working_dir)
            environment = kuberay.environment_of(container, kuberay.build(pod), keys)
            if not pods:
                environment |= kuberay.fault_tolerance(service, keys)
            # The operator's own agents, and what the operator of a slow machine chooses.
            environment |= {"RAYLOGUE_AGENTS": AGENTS, **PATIENT}
            pod.environment = environment
            pod.start_process(kuberay.command_of(group, pods[0].address if pods else None))
            if not pods:
                asyncio.run(_well(pod, group.template.spec.containers[0].readiness_probe))
            pods.append(pod)
        head, *others = pods
        name = service.spec.serve_service.metadata.name
        fronts = [Front(worker, worker.address, 8000, name) for worker in others]
        asyncio.run(_deployed(service, Front(head, head.address, 8265), others, keys["auth_token"]))
        for front in fronts:
            asyncio.run(front.ready())
        yield Pods(machines, service, head, others, fronts)


@pytest.fixture
async def store(pods: Pods) -> AsyncIterator[Store]:
    store = pods.machines.store()
    yield store
    await store.aclose()


@pytest.fixture
async def api(pods: Pods, store: Store) -> AsyncIterator[Api]:
    """A person at the first worker."""
    async with pods.fronts[0].person(store) as person:
        yield person


async def test_all_probes_find_the_pods_well(pods: Pods) -> None:
    cluster = pods.service.spec.ray_cluster_config
    groups = [cluster.head_group_spec, *cluster.worker_group_specs * 2]
    for group, pod in zip(groups, [pods.head, *pods.workers], strict=True):
        [container] = group.template.spec.containers
        for probe in (container.readiness_probe, container.liveness_probe):
            await _well(pod, probe)


async def test_every_worker_takes_traffic_for_the_replicas_of_all(pods: Pods, store: Store) -> None:
    for front in pods.fronts:
        assert (await front.get("/")).text.startswith("<!doctype html>")
        async with front.person(store) as person:
            for _ in range(6):  # they go to one replica after another
                assert (await person.turn(await person.create("talker"), "20"))[-1]["type"] == "turn_completed"


async def test_a_worker_stops_in_a_turn_and_the_other_takes_its_traffic(pods: Pods, api: Api, store: Store) -> None:
    conversation_id = await api.create("talker")
    speaking = await until_it_streams(api, conversation_id, WORDS * 3)
    place = pods.worker_of((await api.show(conversation_id))["place"])
    [container] = pods.service.spec.ray_cluster_config.worker_group_specs[0].template.spec.containers
    stopping, staying = pods.workers[place], pods.fronts[1 - place]
    shell, flag, command = container.lifecycle.pre_stop.exec.command
    assert (shell, flag) == ("/bin/sh", "-c")

    await asyncio.to_thread(stopping.run, command)

    assert ray_processes(stopping) == []
    async with staying.person(store) as person:
        log = await person.rest(conversation_id)
        assert [event["outcome"] for event in log if event["type"] == "turn_ended"] == ["completed"]
        assert len(answer_texts(log)[-1].split()) == WORDS * 3
        assert (await person.turn(await person.create("talker"), "20"))[-1]["type"] == "turn_completed"
        api.created.remove(conversation_id)
        person.created.append(conversation_id)
    await asyncio.gather(speaking, return_exceptions=True)


async def _well(pod: Container, probe: kuberay.Probe) -> None:
    await eventually(lambda: kuberay.is_well(pod, probe), START_SECONDS)


async def _deployed(service: RayService, dashboard: Front, workers: list[Container], token: str) -> None:
    """Wait until the workers have joined, then deploy."""

    async def joined() -> bool:
        return all(ray_processes(worker) for worker in workers)

    await eventually(joined, START_SECONDS)
    async with dashboard.client() as client:
        await kuberay.deploy(service, client, token)

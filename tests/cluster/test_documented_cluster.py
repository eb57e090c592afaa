"""Three machines become a cluster by the documents alone, and people notice neither a death nor new code.

The machines are containers with nothing but this machine's programs. `ray up` and its autoscaler reach them by a
stand-in for ssh. `make venv` finds its work done: what pip would fetch is there already.
"""

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from store import Store
from tests.support.api import Api, answer_texts, eventually
from tests.support.containers import ROOT, Container, copy_of_the_repository, needs_containers
from tests.support.documented_cluster import (
    AGENTS,
    LAPTOP,
    LOCAL,
    PATIENT,
    REDIS,
    START_SECONDS,
    Front,
    Machines,
    block_with,
    command_with,
    edited,
    first_lines,
    node_id,
    ray_processes,
    until_it_streams,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300), needs_containers]
ACCEPTED = "--yes --no-config-cache"
WORDS = 250
"""So many take five seconds."""


@dataclass
class Cluster:
    """The machine of the person who types, and those of the cluster."""

    machines: Machines
    laptop: Container
    head: Container
    workers: list[Container]
    page: Front

    def type(self, command: str) -> str:
        """What a person types in the root of the repository, with its environment active."""
        return self.laptop.run(f"cd raylogue && PATH=$PWD/.venv/bin:$PATH && {command}")

    def worker_of(self, place: str) -> Container:
        """The machine on which the actor of that name lives."""
        [found] = [
            worker for worker in self.workers if worker.is_on and node_id(worker).startswith(place.split(":")[1])
        ]
        return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """As the first lines of cluster.local.yaml have it, from the token to the page on one's own machine."""
    commands = first_lines(LOCAL)
    nodes = yaml.safe_load((ROOT / LOCAL).read_text())["provider"]
    with tempfile.TemporaryDirectory(prefix="rl-") as directory, Machines(Path(directory)) as machines:
        laptop = machines.add("laptop", LAPTOP)
        head = machines.add("head", nodes["head_ip"])
        workers = [machines.add(f"worker-{place}", address) for place, address in enumerate(nodes["worker_ips"])]
        settings = {"RAYLOGUE_REDIS_URL": f"redis://{REDIS}:6379/0", "RAYLOGUE_AGENTS": AGENTS, **PATIENT}
        written = "".join(f"{name}={value}\n" for name, value in settings.items())
        copy_of_the_repository(laptop, ("cluster.env", written))
        key = laptop.path("~/.ssh/id_ed25519")
        key.parent.mkdir()
        key.write_text("a key")
        cluster = Cluster(machines, laptop, head, workers, Front(laptop, "127.0.0.1", 8000))
        cluster.type(command_with("get-auth-token", first_lines(Path("cluster.yaml"))))
        cluster.type(f"{command_with('ray up', commands)} {ACCEPTED}")
        asyncio.run(_joined(workers))
        cluster.type(command_with("serve deploy", commands))
        laptop.start_process(f"cd raylogue && PATH=$PWD/.venv/bin:$PATH && {command_with('ray attach', commands)}")
        asyncio.run(cluster.page.ready())
        yield cluster


@pytest.fixture
async def store(cluster: Cluster) -> AsyncIterator[Store]:
    store = cluster.machines.store()
    yield store
    await store.aclose()


@pytest.fixture
async def api(cluster: Cluster, store: Store) -> AsyncIterator[Api]:
    async with cluster.page.person(store) as person:
        yield person


async def test_the_page_loads_and_a_turn_streams(cluster: Cluster, api: Api) -> None:
    page = await cluster.page.get("/")
    assert page.text.startswith("<!doctype html>")
    for part in re.findall(r'(?:src|href)="(/?static/[^"]+)"', page.text):
        assert (await cluster.page.get(f"/{part.removeprefix('/')}")).status_code == 200
    conversation_id = await api.create("talker")
    seen = await api.turn(conversation_id, "20")
    assert [event["type"] for event in seen].count("text_delta") > 1
    assert seen[-1]["type"] == "turn_completed"


async def test_requests_need_a_key_as_the_document_makes_it(cluster: Cluster) -> None:
    made = await asyncio.to_thread(cluster.type, command_with("keys create", first_lines(LOCAL)))
    [key] = re.findall(r"rl_\w{12}_[\w-]{43}", made)
    assert (await cluster.page.get("/v1/info")).status_code == 401
    assert (await cluster.page.get("/v1/info", Authorization=f"Bearer {key}")).status_code == 200


def test_the_documented_questions_are_answered(cluster: Cluster) -> None:
    answered = cluster.head.run(block_with("bin/ray status"))
    assert f"{1 + len(cluster.workers)} local.cluster.node" in answered
    assert "HEALTHY" in answered


async def test_the_logs_of_all_machines_are_read_on_one(cluster: Cluster, api: Api) -> None:
    conversation_id = await api.create("worker")
    await api.turn(conversation_id, "stumble: here")
    logs = f"cd raylogue && RAY_AUTH_MODE=token .venv/bin/raylogue logs {conversation_id}"
    followed = cluster.head.path("~/followed")
    followed.touch()
    cluster.head.start_process(f"{logs} --follow > ~/followed")
    await eventually(lambda: crashes_in(followed, 1), START_SECONDS)
    await api.turn(conversation_id, "stumble: again")
    await eventually(lambda: crashes_in(followed, 2), START_SECONDS)

    worker = cluster.worker_of((await api.show(conversation_id))["place"])
    [other] = [machine for machine in cluster.workers if machine is not worker]
    earlier = {"timestamp": "2026-01-01T00:00:00Z", "event": "worked", "conversation_id": conversation_id}
    [directory] = other.path("/tmp/ray").glob("session_2*/logs")
    (directory / "worker-a-01000000-1.err").write_text((json.dumps({**earlier, "text": "x" * 1000}) + "\n") * 5000)

    notice, *found = (await asyncio.to_thread(cluster.head.run, logs)).splitlines()
    assert notice == f"raylogue: {other.address} has more: these are the newest 4 MiB of its lines"
    assert found[0].startswith(f"{other.address} 2026-01-01T00:00:00Z worked ")
    assert found.count(found[0]) < 5000
    first, second = [place for place, line in enumerate(found) if " tool_crashed " in line]
    assert found[first].startswith(f"{worker.address} ")
    assert found[first + 1] == "Traceback (most recent call last):"
    assert "RuntimeError: no such thing" in found[first:second]


async def test_a_turn_goes_on_when_its_machine_loses_power(cluster: Cluster, api: Api) -> None:
    conversation_id = await api.create("talker")
    speaking = await until_it_streams(api, conversation_id, WORDS)
    lost = cluster.worker_of((await api.show(conversation_id))["place"])

    lost.switch_off()

    log = await api.rest(conversation_id)
    assert [event["outcome"] for event in log if event["type"] == "turn_ended"] == ["completed"]
    assert len(answer_texts(log)[-1].split()) == WORDS
    assert [event["type"] for event in await speaking].count("turn_ended") == 1
    assert cluster.worker_of((await api.show(conversation_id))["place"]) is not lost


async def test_new_code_in_the_middle_of_a_turn(cluster: Cluster, api: Api) -> None:
    advised = yaml.safe_load(block_with("runtime_env: {env_vars:"))
    conversation_id = await api.create("talker")
    speaking = await until_it_streams(api, conversation_id, WORDS * 3)
    old = (await api.show(conversation_id))["place"]
    file = cluster.head.path(cluster.head.repository) / "deployments" / "serve.yaml"
    file.write_text(edited(file.read_text(), **advised))

    deploy = block_with("raylogue deploy")
    await asyncio.to_thread(cluster.head.run, f"source ~/.bashrc && cd raylogue && {deploy}")

    log = await api.rest(conversation_id)
    assert [event["outcome"] for event in log if event["type"] == "turn_ended"] == ["completed"]
    assert len(answer_texts(log)[-1].split()) == WORDS * 3
    await speaking

    async def is_served_by_the_new_code() -> bool:
        await api.turn(conversation_id, "3")
        return version(str((await api.show(conversation_id))["place"])) != version(str(old))

    await eventually(is_served_by_the_new_code)


def test_ray_down_ends_what_ray_up_has_begun(cluster: Cluster) -> None:
    [worker] = [worker for worker in cluster.workers if worker.is_on]
    stop, _ = yaml.safe_load((ROOT / LOCAL).read_text())["worker_start_ray_commands"]
    assert ray_processes(worker)
    worker.run(stop)
    assert ray_processes(worker) == []
    assert ray_processes(cluster.head)
    cluster.type(f"ray down --yes {LOCAL}")
    assert ray_processes(cluster.head) == []


async def crashes_in(file: Path, times: int) -> bool:
    """Whether the logs in the file tell of so many calls that have raised."""
    return file.read_text().count(" tool_crashed ") == times


def version(place: str) -> str:
    """The number of the code version of a host."""
    return place.split(":")[2]


async def _joined(workers: list[Container]) -> None:
    """Wait until Ray runs on all of them."""

    async def all_run() -> bool:
        for worker in workers:
            if not await asyncio.to_thread(ray_processes, worker):
                return False
        return True

    await eventually(all_run, START_SECONDS)

"""New code for a cluster: `raylogue deploy` does not release what cannot run; and what `serve deploy` makes of it."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from tests.house.tree import ROOT
from tests.servers.process import free_port
from tests.support.api import Api, eventually
from tests.support.declared_service import DeclaredService

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

SHOP = """\
from agents import Agent, Catalog, ScriptedModel, Step
from shop_words import WORD

def catalog(settings):
    return Catalog([Agent(name="till", model=ScriptedModel(lambda request: Step(WORD)))])
"""
FAULT = "RAYLOGUE_AGENTS=shop:catalog: ModuleNotFoundError: No module named 'numbpy' (shop.py:1)"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operator's folder, which is on PYTHONPATH on the node."""
    return tmp_path_factory.mktemp("modules")


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory, modules: Path) -> Iterator[DeclaredService]:
    write(modules, "one")
    path = f"{modules}{os.pathsep}{ROOT}"
    environment = {"RAYLOGUE_AGENTS": "shop:catalog", "PYTHONPATH": path, "RAYLOGUE_WARM_WORKERS": "1"}
    with DeclaredService(tmp_path_factory.mktemp("declared"), environment) as service:
        yield service


@pytest.fixture
async def api(declared: DeclaredService) -> AsyncIterator[Api]:
    person = Api(declared.url, "shared")
    yield person
    await person.http.aclose()


def write(modules: Path, word: str, shop: str = SHOP) -> None:
    """Replace the files in place, as an operator does who copies new ones over the old."""
    (modules / "shop.py").write_text(shop)
    (modules / "shop_words.py").write_text(f'WORD = "{word}"\n')


def said_last(log: list[dict[str, object]]) -> object:
    return [event["content"] for event in log if event["type"] == "assistant_msg"][-1]


def idle_workers(declared: DeclaredService) -> dict[int, psutil.Process]:
    return {process.pid: process for process in declared.processes() if "ray::IDLE" in name_of(process)}


def name_of(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


async def a_worker_that_cannot_import_waits_for_work(declared: DeclaredService) -> None:
    """A warm worker that starts now finds a broken module: it says so, and lives."""
    earlier = idle_workers(declared)
    for process in earlier.values():
        process.kill()

    async def started() -> int | None:
        return next(iter(idle_workers(declared).keys() - earlier.keys()), None)

    pid = await eventually(started)

    async def told() -> bool:
        lines = [file.read_text() for file in declared.logs().glob(f"worker-*-{pid}.err")]
        return any("could not import what hosts need" in text and "numbpy" in text for text in lines)

    await eventually(told)
    assert pid in idle_workers(declared)


@asynccontextmanager
async def served_all_the_time(api: Api) -> AsyncIterator[None]:
    """Ask all the time; every request is answered."""
    statuses: list[int] = []

    async def ask_again() -> None:
        while True:
            statuses.append((await api.http.get("/v1/agents")).status_code)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(ask_again())
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert set(statuses) == {200}


async def test_new_code_is_loaded_first_and_broken_code_is_not_released(
    declared: DeclaredService, modules: Path, api: Api
) -> None:
    public = await asyncio.to_thread(declared.run, "raylogue", "deploy", str(declared.write_config({}, "0.0.0.0")))
    assert public.returncode == 1
    assert "Serve listens on 0.0.0.0, which others can reach, and RAYLOGUE_AUTH is off" in public.stderr
    config = declared.write_config({})
    first = await asyncio.to_thread(declared.run, "raylogue", "deploy", str(config))
    assert first.returncode == 0, first.stderr
    assert "raylogue on 1 node: till" in first.stderr
    assert "✓ Released, and running" in first.stderr

    async def ready() -> bool:
        return declared.is_ready()

    await eventually(ready)
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    before = declared.application()

    write(modules, "two", f"import numbpy\n{SHOP}")
    async with served_all_the_time(api):
        refused = await asyncio.to_thread(declared.run, "raylogue", "deploy", str(config))
        assert refused.returncode == 1
        assert refused.stderr.splitlines()[-1] == f"raylogue: {FAULT.replace('shop.py', str(modules / 'shop.py'))}"
        await api.turn(conversation_id, "again")
    assert said_last(await api.rest(conversation_id, turns=2)) == [{"type": "text", "text": "one"}]
    asked = ("raylogue", "audit", "list", "--tenant", "-", "--type", "deployed", "--json")
    told = [json.loads(line) for line in (await asyncio.to_thread(declared.run, *asked)).stdout.splitlines()]
    assert [(line["principal"], line["outcome"]) for line in told] == [("local", "done"), ("local", "begun")]
    assert told[0]["data"]["code"].keys() == {"raylogue"}
    assert told[0]["data"]["machine_user"]
    assert declared.application() == before, "Serve has heard of nothing"
    await a_worker_that_cannot_import_waits_for_work(declared)

    write(modules, "two")
    async with served_all_the_time(api):
        mended = await asyncio.to_thread(declared.run, "raylogue", "deploy", str(config))
        assert mended.returncode == 0, mended.stderr
        await api.send(conversation_id, "and now?")
        assert said_last(await api.rest(conversation_id, turns=3)) == [{"type": "text", "text": "two"}]


async def test_serve_deploy_of_broken_code_ends_soon_and_people_are_served(
    declared: DeclaredService, modules: Path, api: Api
) -> None:
    """It does not ask first: Serve forgets what ran before it has built what is new."""
    other = modules / "next"
    other.mkdir()
    write(other, "three", "import numbpy\n")
    broken = declared.write_config({"env_vars": {"PYTHONPATH": str(other)}})
    conversation_id = await api.create()
    async with served_all_the_time(api):
        sent = await asyncio.to_thread(declared.run, "serve", "deploy", str(broken))
        assert sent.returncode == 0, sent.stderr

        async def failed() -> bool:
            return (await asyncio.to_thread(declared.application))["status"] == "DEPLOY_FAILED"

        await eventually(failed)
        await api.send(conversation_id, "hello")
        assert said_last(await api.rest(conversation_id)) == [{"type": "text", "text": "two"}]
    reason = declared.application()["message"].splitlines()
    assert reason == [
        "Deploying app 'raylogue' failed with exception:",
        FAULT.replace("shop.py", str(other / "shop.py")),
    ]


async def test_what_is_no_configuration_or_no_cluster(declared: DeclaredService, tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text("applications: [{name: raylogue}]\n")
    refused = await asyncio.to_thread(declared.run, "raylogue", "deploy", str(file))
    assert refused.stderr == f"raylogue: {file}: applications.0.import_path: Field required\n"

    address = f"127.0.0.1:{free_port()}"
    missing = f"raylogue: there is no cluster at {address} ([Errno 111] Connection refused): run this on a node of it"
    for command in (("deploy", str(declared.write_config({}))), ("logs", "c")):
        refused = await asyncio.to_thread(declared.run, "raylogue", *command, "--address", address)
        assert refused.returncode == 1
        assert refused.stderr.startswith(missing), command
    unknown = await asyncio.to_thread(declared.run, "raylogue", "logs", "[red]c")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr == "raylogue: [red]c has no line in the logs of the cluster's nodes\n"

"""A replay on a cluster: a worker takes the job, a Ray task asks the model, and the original stays as it was."""

from contextlib import suppress

import httpx
import orjson
import psutil
from redis.asyncio import Redis

from agents.replay.replay import replayed_id
from store import Store
from tests.deployments.conftest import in_the_ingress
from tests.support.api import Api, eventually
from tests.support.service import RunningService
from tests.support.service_agents import Ledger

pytestmark = in_the_ingress


async def test_a_conversation_is_replayed_by_a_ray_task(api: Api, service: RunningService, store: Store) -> None:
    conversation_id = await api.create(agent="assistant")
    await api.turn(conversation_id, "hello")
    log = await store.log.read(conversation_id)
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as http:
        order = {"where": f"id={conversation_id}", "system_prompt": "Be another."}
        made = (await http.post("/v1/replays", json=order)).raise_for_status().json()

        async def done() -> dict[str, object] | None:
            found: dict[str, object] = (await http.get(f"/v1/replays/{made['id']}")).json()
            return found if found["state"] in ("done", "failed") else None

        found = await eventually(done, 90)
        lines = (await http.get(f"/v1/replays/{made['id']}/results")).text.splitlines()
    assert (found["state"], found["error"], found["totals"]["verdicts"]) == ("done", None, {"same": 1})  # type: ignore[index]
    [row] = map(orjson.loads, lines)
    assert (row["conversation"], row["verdict"], row["error"]) == (conversation_id, "same", None)
    assert await store.log.read(conversation_id) == log


async def test_the_task_and_then_the_worker_of_a_replay_are_killed_and_it_goes_on(
    api: Api, service: RunningService, store: Store
) -> None:
    ledger = Ledger(service.data_dir)
    conversation_id = await api.create(agent="worker")
    ledger.open_gate(conversation_id)
    await api.turn(conversation_id, "wait: here")
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as http:
        order = {"where": f"id={conversation_id}", "mode": "live", "run_tools": True}
        made = (await http.post("/v1/replays", json=order)).raise_for_status().json()
        name, path = replayed_id(made["id"], conversation_id), f"/v1/replays/{made['id']}"

        async def begun(times: int) -> bool:
            return len(ledger.read(name)) >= times

        await eventually(lambda: begun(1), 90)
        _kill(service, "_stream")

        async def is_put_off() -> bool:
            return (await http.get(f"/v1/jobs/{made['job']}")).json()["error"] is not None

        await eventually(is_put_off, 60)
        assert (await http.post(f"{path}/pause")).json()["state"] == "paused"
        assert (await http.post(f"{path}/resume")).status_code == 202
        await eventually(lambda: begun(2), 90)
        _kill(service, "ServeReplica:raylogue:work")
        await eventually(lambda: begun(3), 150)
        ledger.open_gate(name)

        async def done() -> bool:
            return bool((await http.get(path)).json()["state"] == "done")

        await eventually(done, 90)
        [row] = map(orjson.loads, (await http.get(f"{path}/results")).text.splitlines())
    assert (row["new_text"], row["error"]) == ("It returned: here", None)
    deeds = ledger.read(name)
    assert len({call for call, _ in deeds}) == 1, "the call is made again, never another one"
    assert [deed for _, deed in deeds] == ["started", "started", "started", "done"]
    async with Redis.from_url(service.redis.url) as redis:
        assert [key async for key in redis.scan_iter(match="raylogue-replay:*conversation*")] == []


def _kill(service: RunningService, title: str) -> None:
    """SIGKILL the process of Ray with this in its title."""
    found = []
    for process in service.processes():
        with suppress(psutil.Error):  # it has ended by itself
            words = " ".join(process.cmdline())
            if words.startswith("ray::") and title in words:
                found.append(process)
    assert found, f"no process has {title} in its title"
    for process in found:
        process.kill()

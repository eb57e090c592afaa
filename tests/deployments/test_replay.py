"""A replay on a cluster: a worker takes the job, a Ray task asks the model, and the original stays as it was."""

import httpx
import orjson

from store import Store
from tests.deployments.conftest import in_the_ingress
from tests.support.api import Api, eventually
from tests.support.service import RunningService

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

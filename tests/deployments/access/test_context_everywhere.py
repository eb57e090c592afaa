"""What a token and a gateway say reaches all that works for the message, and is made again after SIGKILL."""

import time
from typing import Any

import jwt
import orjson
import pytest

from deployments.settings import Settings
from tests.support.access_service import bearer, serving
from tests.support.api import eventually
from tests.support.service import RunningService
from tests.support.service_agents import Ledger

SECRET, GATEWAY_SECRET = "s" * 32, "g" * 32
CLAIMS = {"sub": "ada", "tenant": "acme", "aud": "raylogue", "plan": "gold"}


def signed(secret: str, **claims: Any) -> str:
    return jwt.encode({"exp": time.time() + 120, **claims}, secret, "HS256")


@pytest.mark.ray
async def test_tools_middleware_sub_agents_and_ray_tasks_have_it(service: RunningService, cluster: None) -> None:
    chosen = {
        "auth": "jwt",
        "jwt_secret": SECRET,
        "jwt_audience": "raylogue",
        "jwt_claims": "tenant=tenant,user=sub,values.plan=plan",
        "gateway_secret": GATEWAY_SECRET,
    }
    settings = service.settings().model_dump(exclude={"anthropic_api_key"})
    store, ledger = service.store(), Ledger(service.data_dir)
    headers = {
        **bearer(signed(SECRET, **CLAIMS)),
        "X-Raylogue-Context": signed(GATEWAY_SECRET, values={"region": "eu"}, sub="acme/ada"),
    }
    async with serving(store, Settings(**{**settings, **chosen})) as http:
        name = (await http.post("/v1/conversations", json={"agent": "mirror"}, headers=headers)).json()["id"]
        address = f"/v1/conversations/{name}"
        sent = await http.post(f"{address}/messages", json={"text": "go"}, headers=headers)
        assert sent.status_code == 202, sent.text

        async def has_ended() -> bool:
            return (await http.get(address, headers=headers)).json()["state"] == "idle"

        await eventually(has_ended)
        events = (await http.get(f"{address}/events", headers=headers)).json()["events"]
        assert (await http.delete(address, headers=headers)).status_code == 204
    await store.aclose()

    brought = ["acme", "acme/ada", {"plan": "gold", "region": "eu"}]
    again = ["acme", "acme/ada", {"remade": name}]
    noted: dict[str, list[Any]] = {}
    for place, deed in ledger.read(name):
        noted.setdefault(place, []).append(orjson.loads(deed))
    assert noted == {
        "middleware-0": [brought, brought, again],
        "middleware-1": [brought, brought],
        "tool-0": [brought],
        "tool-1": [brought],
        "died": [brought],
        "after-death": [again],
    }
    remotely = [event["content"] for event in events if event["type"] == "tool_result" and "[" in event["content"]]
    assert [orjson.loads(content) for content in remotely] == [brought]

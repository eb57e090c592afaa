"""A gated tool in the running service, from the question to the deletion, as the audit tells it: each line once."""

from typing import Any

import httpx

from store import Store
from store.audit.verify import verify_stored
from tests.support.access_service import bearer, make_key
from tests.support.api import eventually
from tests.support.guarded_service import chosen, http, store

__all__ = ["chosen", "http", "store"]

BOSS = frozenset({"admin"})
TENANT = "audited"


async def test_who_asked_who_decided_and_what_came_of_it(http: httpx.AsyncClient, store: Store) -> None:
    ada, anna = [bearer(await make_key(store, user, TENANT)) for user in ("ada", "anna")]
    boss = bearer(await make_key(store, "boss", TENANT, roles=BOSS))
    created = (await http.post("/v1/conversations", json={"agent": "clerk"}, headers=ada)).json()["id"]
    address = f"/v1/conversations/{created}"
    await http.put(f"{address}/members/{TENANT}/anna", json={"role": "approver"}, headers=ada)
    await http.post(f"{address}/messages", json={"text": 'transfer {"amount": 5}'}, headers=ada)

    async def pending() -> dict[str, Any] | None:
        found: dict[str, Any] = (await http.get(address, headers=ada)).json()["pending"]
        return found

    await eventually(pending)
    [(call, asked)] = (await pending() or {}).items()
    decision = {"tool_call_id": call, "decision": "approve"}
    for _ in range(2):
        assert (await http.post(f"{address}/resolutions", json=decision, headers=anna)).status_code == 202

    async def lines() -> list[dict[str, Any]]:
        query = {"conversation": created}
        page = (await http.get("/v1/audit", params=query, headers=boss)).json()["lines"]
        return list(reversed(page))

    async def is_over() -> bool:
        return "tool_finished" in [line["type"] for line in await lines()]

    await eventually(is_over)
    assert (await http.delete(address, headers=boss)).status_code == 204

    async def is_deleted() -> bool:
        return "conversation_deleted" in [line["type"] for line in await lines()]

    await eventually(is_deleted)
    told = await lines()
    assert [(line["type"], line.get("principal"), line.get("outcome")) for line in told] == [
        ("members_changed", f"{TENANT}/ada", None),
        ("tool_called", f"{TENANT}/ada", None),
        ("question_asked", None, None),
        ("question_answered", f"{TENANT}/anna", "approve"),
        ("tool_finished", f"{TENANT}/ada", "ok"),
        ("conversation_deleted", f"{TENANT}/boss", None),
    ]
    assert {line["on_behalf_of"] for line in told} == {f"{TENANT}/ada"}
    called, finished = told[1]["data"], told[4]["data"]
    assert called == {
        "turn": 1,
        "tool_call_id": call,
        "name": "transfer",
        "arguments_hash": asked["arguments_hash"],
        "executor": "server",
        "approval": "required",
        "trust": "requires_approval",
    }
    assert finished == {"turn": 1, "tool_call_id": call, "name": "transfer"}
    assert all(line["at"] <= line["recorded_at"] for line in told)
    assert (await verify_stored(store.audit, TENANT)).is_whole

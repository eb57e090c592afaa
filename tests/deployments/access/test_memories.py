"""People see, search, add, correct and forget what agents remember of them, and write their standing instructions."""

from typing import Any

import httpx
import pytest

from agents.clock import now_ms
from agents.memory import PersonalMemory
from store import Scope, Store
from tests.support.access_service import bearer, make_key

SOURCE = {"conversation": "c", "turn": 1, "channel": "telegram", "agent": "assistant"}


@pytest.fixture
async def ada(store: Store) -> dict[str, str]:
    return bearer(await make_key(store, "ada"))


async def listed(http: httpx.AsyncClient, person: dict[str, str], **query: Any) -> dict[str, Any]:
    answer = await http.get("/v1/memories", params=query, headers=person)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def texts(found: dict[str, Any]) -> list[str]:
    return [memory["text"] for memory in found["memories"]]


async def test_a_person_sees_where_each_came_from_and_nobody_elses(
    http: httpx.AsyncClient, store: Store, ada: dict[str, str]
) -> None:
    entry = await PersonalMemory(store, "acme/ada", now_ms).add("Likes tea.", SOURCE)
    shown = {
        "id": entry.id,
        "text": "Likes tea.",
        "source": SOURCE,
        "created_at": entry.created_at,
        "updated_at": entry.updated_at,
        "revision": 1,
    }
    assert await listed(http, ada) == {"memories": [shown], "next": None}
    for user, tenant, role in (("bob", "acme", "user"), ("boss", "acme", "admin"), ("ada", "evil", "admin")):
        other = bearer(await make_key(store, user, tenant, roles=frozenset({role})))
        assert texts(await listed(http, other)) == []
        corrected = await http.put(f"/v1/memories/{entry.id}", json={"text": "Hates tea."}, headers=other)
        assert (corrected.status_code, corrected.json()["type"]) == (404, "urn:raylogue:problem:unknown_memory")
        assert (await http.delete(f"/v1/memories/{entry.id}", headers=other)).status_code == 204
        assert (await http.delete("/v1/memories?all=true", headers=other)).status_code == 204
    assert await listed(http, ada) == {"memories": [shown], "next": None}


async def test_what_is_added_is_corrected_searched_and_forgotten(http: httpx.AsyncClient, ada: dict[str, str]) -> None:
    added = await http.post("/v1/memories", json={"text": " Likes\ntea. "}, headers=ada)
    assert (added.status_code, added.json()["text"], added.json()["source"]) == (201, "Likes tea.", {"by": "person"})
    again = await http.post("/v1/memories", json={"text": "likes TEA."}, headers=ada)
    assert again.json() == added.json()
    await http.post("/v1/memories", json={"text": "Has a cat."}, headers=ada)
    address = f"/v1/memories/{added.json()['id']}"

    corrected = await http.put(address, json={"text": "Likes green tea.", "revision": 1}, headers=ada)
    assert (corrected.status_code, corrected.json()["revision"]) == (200, 2)
    late = await http.put(address, json={"text": "Likes coffee.", "revision": 1}, headers=ada)
    assert (late.status_code, late.json()["type"]) == (409, "urn:raylogue:problem:memory_changed")
    assert (await http.delete(address, params={"revision": 1}, headers=ada)).status_code == 409

    assert (await http.get(address, headers=ada)).json() == corrected.json()
    assert texts(await listed(http, ada, q="tea")) == ["Likes green tea."]
    assert texts(await listed(http, ada)) == ["Has a cat.", "Likes green tea."], "the newest first"
    first = await listed(http, ada, limit=1)
    assert texts(await listed(http, ada, limit=1, cursor=first["next"])) == ["Likes green tea."]

    assert (await http.delete(address, params={"revision": 2}, headers=ada)).status_code == 204
    assert (await http.delete(address, headers=ada)).status_code == 204
    assert (await http.delete("/v1/memories", headers=ada)).status_code == 422, "it has to be said"
    assert (await http.delete("/v1/memories?all=true", headers=ada)).status_code == 204
    assert texts(await listed(http, ada)) == []


@pytest.mark.parametrize(
    ("text", "code"), [("", "invalid_request"), (" \n", "memory_refused"), ("x" * 501, "invalid_request")]
)
async def test_what_cannot_be_remembered(http: httpx.AsyncClient, ada: dict[str, str], text: str, code: str) -> None:
    refused = await http.post("/v1/memories", json={"text": text}, headers=ada)
    assert (refused.status_code, refused.json()["type"]) == (422, f"urn:raylogue:problem:{code}")


async def test_standing_instructions_are_changed_by_their_version(
    http: httpx.AsyncClient, store: Store, ada: dict[str, str]
) -> None:
    assert (await http.get("/v1/instructions", headers=ada)).json() == {"text": "", "version": 0}
    first = await http.put("/v1/instructions", json={"text": "Be kind.", "version": 0}, headers=ada)
    assert first.status_code == 200
    version = first.json()["version"]
    assert (await http.get("/v1/instructions", headers=ada)).json() == {"text": "Be kind.", "version": version}
    assert (await store.files.read(Scope("user", "acme/ada"), "instructions.md")).content == b"Be kind."
    for stale, code in ((0, "file_exists"), (version + 7, "file_conflict")):
        refused = await http.put("/v1/instructions", json={"text": "Be brief.", "version": stale}, headers=ada)
        assert refused.json()["type"] == f"urn:raylogue:problem:{code}"
    too_long = await http.put("/v1/instructions", json={"text": "x" * 2001, "version": version}, headers=ada)
    assert too_long.status_code == 422
    changed = await http.put("/v1/instructions", json={"text": "Be brief.", "version": version}, headers=ada)
    assert changed.json()["version"] > version
    bob = bearer(await make_key(store, "bob"))
    assert (await http.get("/v1/instructions", headers=bob)).json() == {"text": "", "version": 0}

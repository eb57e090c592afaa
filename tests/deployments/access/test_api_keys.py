"""Requests to a service that asks for API keys, and the keys themselves over HTTP."""

import asyncio

import httpx
import pytest

from agents.clock import now_ms
from deployments.access import authenticator
from deployments.settings import Settings
from store import Store
from tests.deployments.test_problems import check_problem
from tests.support.access_service import bearer, make_key, serving
from tests.support.api import eventually

PUBLIC = ["/", "/healthz", "/openapi.json", "/static/current/app.js"]
PRIVATE = ["/v1/conversations", "/v1/info", "/v1/agents", "/v1/stuck", "/v1/keys", "/nothing", "/v1/nothing", "/docs"]
UNKNOWN = "rl_aaaaaaaaaaaa_" + "x" * 43
MALFORMED = [
    "Basic YWRhOmFkYQ==",
    "Bearer",
    "Bearer rl_short",
    "Bearer nonsense",
    f"Bearer {UNKNOWN} {UNKNOWN}",
    UNKNOWN,
    "\xff\xfe",
]


async def test_what_is_public_and_that_nothing_else_is(http: httpx.AsyncClient) -> None:
    for path in PUBLIC:
        assert (await http.get(path)).status_code == 200, path
    for path in PRIVATE:
        response = await http.get(path)
        check_problem(response, 401, "credentials_missing")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="raylogue"'


async def test_another_spelling_of_an_address_is_no_address(http: httpx.AsyncClient, store: Store) -> None:
    """A redirect would have the scheme that the request came by, which behind a proxy with TLS is plain HTTP."""
    shown = bearer(await make_key(store))
    for path in ("/v1/info/", "/v1/session/", "/static/app.js", "//v1/info"):
        check_problem(await http.get(path, headers=shown), 404, "not_found")


async def test_malformed_credentials(http: httpx.AsyncClient) -> None:
    for shown in MALFORMED:
        response = await http.get("/v1/info", headers=[(b"Authorization", shown.encode("latin-1"))])
        check_problem(response, 401, "credentials_malformed")
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


async def test_two_credentials_are_malformed(http: httpx.AsyncClient, store: Store) -> None:
    shown = bearer(await make_key(store))["Authorization"].encode()
    response = await http.get("/v1/info", headers=[(b"Authorization", shown)] * 2)
    check_problem(response, 401, "credentials_malformed")


async def test_unknown_revoked_and_wrong_secrets_are_told_alike(http: httpx.AsyncClient, store: Store) -> None:
    text = await make_key(store)
    revoked = await make_key(store, "bob")
    key = await store.api_keys.get(revoked.split("_")[1])
    assert key is not None
    await store.api_keys.remove(key)
    wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
    refusals = [await http.get("/v1/info", headers=bearer(shown)) for shown in (UNKNOWN, revoked, wrong)]
    for refusal in refusals:
        check_problem(refusal, 401, "credentials_invalid")
    assert len({refusal.text for refusal in refusals}) == 1
    assert len({refusal.headers["WWW-Authenticate"] for refusal in refusals}) == 1


async def test_an_expired_key_is_told_so_to_its_holder_only(http: httpx.AsyncClient, store: Store) -> None:
    text = await make_key(store, expires_at=now_ms() - 1)
    check_problem(await http.get("/v1/info", headers=bearer(text)), 401, "credentials_expired")
    guessed = text[:-4] + "AAAA"
    check_problem(await http.get("/v1/info", headers=bearer(guessed)), 401, "credentials_invalid")


async def test_what_one_creates_is_ones_own(http: httpx.AsyncClient, store: Store) -> None:
    ada, bob = bearer(await make_key(store, "ada")), bearer(await make_key(store, "bob"))
    created = (await http.post("/v1/conversations", json={}, headers=ada)).json()["id"]
    assert (await store.registry.get(created)).principal == "acme/ada"
    listed = [(await http.get("/v1/conversations", headers=who)).json()["conversations"] for who in (ada, bob)]
    assert [len(found) for found in listed] == [1, 0]
    chosen = await http.get("/v1/preferences/approvals", headers=bob)
    assert chosen.json() == {"approvals": {}}


async def test_a_revoked_key_counts_no_longer(
    http: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticator, "REMEMBERED_SECONDS", 0.1)
    admin = bearer(await make_key(store, "boss", roles=frozenset({"admin"})))
    made = await http.post("/v1/keys", json={"user": "bob", "scopes": ["read"], "label": "phone"}, headers=admin)
    assert made.status_code == 201
    text, key_id = made.json().pop("key"), made.json()["id"]
    bob = bearer(text)
    assert (await http.get("/v1/info", headers=bob)).status_code == 200

    listed = (await http.get("/v1/keys", headers=bob)).json()["keys"]
    assert [(key["id"], key["scopes"], key["label"]) for key in listed] == [(key_id, ["read"], "phone")]
    assert listed[0]["last_used_at"] is not None
    assert "digest" not in listed[0]
    assert text.split("_", 2)[2] not in str(listed)
    assert len((await http.get("/v1/keys", headers=admin)).json()["keys"]) == 2

    assert (await http.delete(f"/v1/keys/{key_id}", headers=admin)).status_code == 204
    check_problem(await http.delete(f"/v1/keys/{key_id}", headers=admin), 404, "unknown_key")

    async def is_refused() -> bool:
        return (await http.get("/v1/info", headers=bob)).status_code == 401

    await eventually(is_refused)


async def test_keys_of_others(http: httpx.AsyncClient, store: Store) -> None:
    ada, eve = bearer(await make_key(store)), bearer(await make_key(store, "eve", "evil"))
    key_id = (await http.get("/v1/keys", headers=ada)).json()["keys"][0]["id"]
    check_problem(await http.delete(f"/v1/keys/{key_id}", headers=eve), 404, "unknown_key")
    check_problem(await http.delete("/v1/keys/aaaaaaaaaaaa", headers=eve), 404, "unknown_key")
    check_problem(await http.get("/v1/keys?tenant=acme", headers=eve), 403, "not_allowed")
    check_problem(await http.post("/v1/keys", json={"user": "bob"}, headers=ada), 403, "not_allowed")
    olga = bearer(await make_key(store, "olga", "ops", roles=frozenset({"operator"})))
    assert len((await http.get("/v1/keys?tenant=acme", headers=olga)).json()["keys"]) == 1


async def test_a_key_that_may_only_read_ends_none_but_itself(http: httpx.AsyncClient, store: Store) -> None:
    whole, reading = await make_key(store), await make_key(store, scopes=frozenset({"read"}))
    address = f"/v1/keys/{whole.split('_')[1]}"
    check_problem(await http.delete(address, headers=bearer(reading)), 403, "not_allowed")
    assert (await http.get("/v1/info", headers=bearer(whole))).status_code == 200
    assert (await http.delete(f"/v1/keys/{reading.split('_')[1]}", headers=bearer(reading))).status_code == 204
    assert (await http.delete(address, headers=bearer(whole))).status_code == 204


async def test_a_key_that_may_only_read_does_not_leave_a_conversation(http: httpx.AsyncClient, store: Store) -> None:
    await store.registry.create("c", agent="assistant", principal="acme/ada", now=now_ms())
    await store.members.set("c", "acme/bob", "viewer", now_ms())
    reading, whole = await make_key(store, "bob", scopes=frozenset({"read"})), await make_key(store, "bob")
    address = "/v1/conversations/c/members/acme/bob"
    check_problem(await http.delete(address, headers=bearer(reading)), 403, "not_allowed")
    assert (await store.registry.get("c")).members == {"acme/bob": "viewer"}
    assert (await http.delete(address, headers=bearer(whole))).status_code == 204
    assert (await store.registry.get("c")).members == {}
    for who in (whole, await make_key(store, "ada")):  # an owner does not leave, and is told so
        refused = await http.delete("/v1/conversations/c/members/acme/ada", headers=bearer(who))
        check_problem(refused, *((404, "unknown_conversation") if who == whole else (422, "invalid_request")))


async def test_replicas_look_a_key_up_once_in_a_while(store: Store) -> None:
    keys = authenticator.KnownKeys(store.api_keys)
    assert await keys.find("aaaaaaaaaaaa") is None
    text = await make_key(store)
    key_id = text.split("_")[1]
    found = await keys.find(key_id)
    assert found is not None
    await store.api_keys.remove(found)
    assert await keys.find(key_id) == found, "it is remembered"
    await asyncio.gather(*(keys.find(f"unknown{number:05}") for number in range(authenticator.MAX_REMEMBERED)))
    assert await keys.find(key_id) is None, "what is remembered is bounded"


async def test_with_authentication_off_credentials_are_not_looked_at(store: Store) -> None:
    async with serving(store, Settings(auth="off")) as http:
        for headers in ({}, bearer("nonsense")):
            assert (await http.get("/v1/info", headers=headers)).status_code == 200
        assert (await http.get("/v1/keys")).json() == {"keys": []}


async def test_the_document_says_what_asks_for_credentials(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            is_public = path in ("/healthz", "/readyz") or (method, path) == ("post", "/v1/session")
            assert ("security" in operation) == (not is_public), (method, path)
            assert "401" in operation["responses"] or is_public, (method, path)

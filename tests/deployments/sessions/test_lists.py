"""The lists of the API: filters, orders, cursors, and who sees what of others."""

import base64
from collections.abc import Mapping
from typing import Any

import httpx
import orjson
import pytest

from deployments.access.principal import Principal, Role
from deployments.indexes.query import ListQuery, list_for
from store import Store
from store.registries.lists import of_principal, of_tenant
from tests.support.access_service import bearer, make_key
from tests.support.writer import NOW

CONVERSATIONS = "/v1/conversations"


@pytest.fixture(autouse=True)
async def some(store: Store) -> None:
    """Six conversations of three people."""
    rows: list[tuple[str, str, dict[str, Any]]] = [
        ("a", "acme/ada", {"title": "Beta", "channel": "web", "project": "apollo"}),
        ("b", "acme/ada", {"title": "alpha", "channel": "telegram"}),
        ("c", "acme/ada", {"channel": "web", "agent": "operator"}),
        ("d", "acme/bob", {"title": "Bob's", "project": "apollo"}),
        ("e", "acme/bob", {"title": "secret"}),
        ("f", "evil/eve", {"title": "eve's"}),
    ]
    for number, (name, owner, fields) in enumerate(rows):
        await store.registry.create(name, principal=owner, now=NOW + number, **{"agent": "assistant", **fields})
    await store.members.set("d", "acme/ada", "viewer", NOW + 3)
    await store.members.set("a", "acme/bob", "writer", NOW)
    claim = await store.log.claim("b")
    state = orjson.dumps({"state": "awaiting_input", "pending": {}, "last_seq": 1})
    await store.log.append(claim, [b"{}"], expected_last_seq=0, state=state, due_at=None, now=NOW + 50)


async def listed(http: httpx.AsyncClient, headers: Mapping[str, str], **query: Any) -> str:
    """The ids of all pages in their order."""
    found, cursor = "", None
    while True:
        params = query if cursor is None else {**query, "cursor": cursor}
        answer = await http.get(CONVERSATIONS, params=params, headers=headers)
        assert answer.status_code == 200, answer.text
        found += "".join(item["id"] for item in answer.json()["conversations"])
        if (cursor := answer.json()["next"]) is None:
            return found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "dcba"),
        ({"limit": 1}, "dcba"),
        ({"channel": "web"}, "ca"),
        ({"channel": ["web", "telegram"]}, "cba"),
        ({"agent": "operator"}, "c"),
        ({"project": "apollo"}, "da"),
        ({"project": "apollo", "channel": "web"}, "a"),
        ({"state": "awaiting_input"}, "b"),
        ({"state": "idle", "limit": 2}, "dca"),
        ({"member": "acme/bob"}, "a"),
        ({"member": "acme/ada"}, "d"),
        ({"owner": "acme/ada"}, "cba"),
        ({"owner": "acme/bob"}, "d"),
        ({"owner": "evil/eve"}, ""),
        ({"updated_since": NOW + 3}, "db"),
        ({"updated_until": NOW + 2}, "ca"),
        ({"created_since": NOW + 1, "created_until": NOW + 2}, "cb"),
        ({"sort": "created", "order": "asc"}, "abcd"),
        ({"sort": "title", "limit": 1}, "badc"),
        ({"sort": "title", "order": "desc", "limit": 3}, "cdab"),
        ({"channel": "nothing"}, ""),
        ({"without_channel": "web"}, "db"),
        ({"without_channel": ["web", "telegram"]}, "d"),
    ],
)
async def test_filters_and_orders(
    http: httpx.AsyncClient, ada: Mapping[str, str], query: dict[str, Any], expected: str
) -> None:
    assert await listed(http, ada, **query) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "size"},
        {"order": "up"},
        {"archive": "true"},
        {"state": "asleep"},
        {"member": "a b"},
        {"updated_since": -1},
        {"updated_since": "yesterday"},
        {"limit": 0},
        {"limit": 201},
    ],
)
async def test_what_is_no_filter_is_refused(
    http: httpx.AsyncClient, ada: Mapping[str, str], query: dict[str, Any]
) -> None:
    refused = await http.get(CONVERSATIONS, params=query, headers=ada)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:raylogue:problem:invalid_request")


def text_of(*content: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(content))).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "12:c",
        "é",
        "x" * 5000,
        text_of(),
        text_of(2, "updated", True, "1", "c"),
        text_of(1, "created", True, "1", "c"),
        text_of(1, "updated", False, "1", "c"),
        text_of(1, "updated", True, "-inf", "c"),
        text_of(1, "updated", True, "1)", "c"),
        text_of(1, "updated", True, 1, "c"),
        text_of(1, "updated", True, "1", "c\0"),
        text_of(1, "updated", True, "1", "c", "more"),
    ],
)
async def test_what_is_no_cursor_is_refused(http: httpx.AsyncClient, ada: Mapping[str, str], cursor: str) -> None:
    refused = await http.get(CONVERSATIONS, params={"cursor": cursor}, headers=ada)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:raylogue:problem:invalid_request")
    assert "cursor" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("tenant", "role", "query", "expected"),
    [
        ("acme", "admin", {}, ""),
        ("acme", "admin", {"whose": "tenant"}, "edcba"),
        ("acme", "admin", {"whose": "tenant", "tenant": "acme", "sort": "created", "order": "asc"}, "abcde"),
        ("acme", "admin", {"whose": "tenant", "owner": "acme/bob"}, "ed"),
        ("acme", "admin", {"whose": "tenant", "owner": "evil/eve"}, ""),
        ("acme", "admin", {"whose": "tenant", "tenant": "evil"}, None),
        ("acme", "admin", {"whose": "all"}, None),
        ("acme", "user", {"whose": "tenant"}, None),
        ("acme", "user", {"whose": "all"}, None),
        ("acme", "user", {"tenant": "evil"}, None),
        ("ops", "operator", {"whose": "all"}, "fedcba"),
        ("ops", "operator", {"whose": "all", "owner": "evil/eve"}, "f"),
        ("ops", "operator", {"whose": "tenant"}, ""),
        ("ops", "operator", {"whose": "tenant", "tenant": "acme", "channel": "web"}, "ca"),
        ("evil", "admin", {"whose": "tenant"}, "f"),
    ],
)
async def test_admins_see_their_tenant_and_operators_all(
    http: httpx.AsyncClient, store: Store, tenant: str, role: Role, query: dict[str, Any], expected: str | None
) -> None:
    shown = bearer(await make_key(store, "boss", tenant, roles=frozenset({role})))
    if expected is not None:
        assert await listed(http, shown, **query) == expected
        return
    refused = await http.get(CONVERSATIONS, params=query, headers=shown)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:raylogue:problem:not_allowed")


@pytest.mark.parametrize(("owner", "name"), [("acme/bob", of_principal("acme/bob")), ("evil/eve", of_tenant("acme"))])
def test_an_admin_looks_through_no_list_of_another_tenant(owner: str, name: str) -> None:
    """Its cursors would have the titles and ids in it, however little is shown."""
    boss = Principal("acme", "boss", frozenset({"admin"}))
    assert list_for(boss, ListQuery(whose="tenant", owner=owner)) == name


async def test_a_role_counts_with_the_scope_admin_alone(http: httpx.AsyncClient, store: Store) -> None:
    shown = bearer(await make_key(store, "boss", roles=frozenset({"admin"}), scopes=frozenset({"read"})))
    assert (await http.get(CONVERSATIONS, params={"whose": "tenant"}, headers=shown)).status_code == 403


async def test_what_is_no_longer_shared_is_in_no_list(
    http: httpx.AsyncClient, ada: Mapping[str, str], store: Store
) -> None:
    first = (await http.get(CONVERSATIONS, params={"limit": 1}, headers=ada)).json()
    assert [item["id"] for item in first["conversations"]] == ["d"]
    meta_key = store.keys.conversation("d").meta
    await store._client.redis.hdel(meta_key, "member:acme/ada")  # the lists do not know it yet
    await store.registry.delete("b")
    for query in ({}, {"sort": "created"}, {"project": "apollo"}, {"member": "acme/ada"}, {"state": "awaiting_input"}):
        assert not {"d", "b"} & set(await listed(http, ada, **query))
    assert await listed(http, ada, cursor=first["next"]) == "ca"

"""What the API tells a person about what that person may do."""

import httpx
import pytest

from deployments.access.principal import SCOPES, Scope
from store import Store
from store.records import Parent
from tests.support.access_service import bearer, make_key
from tests.support.writer import NOW

ALL = ["read", "write", "decide", "own"]


@pytest.fixture(autouse=True)
async def shared(store: Store) -> None:
    """A conversation of Ada's with a member of each role, and a child of it."""
    await store.registry.create("c", agent="assistant", principal="acme/ada", project="apollo", now=NOW)
    parent = Parent("c", "k", "c", 1, 1)
    await store.registry.create("child", agent="assistant", principal="acme/ada", parent=parent, now=NOW)
    for user, role in (("vera", "viewer"), ("will", "writer"), ("anna", "approver")):
        await store.members.set("c", f"acme/{user}", role, NOW)


@pytest.mark.parametrize(
    ("user", "scopes", "rights"),
    [
        ("ada", SCOPES, ALL),
        ("vera", SCOPES, ["read"]),
        ("will", SCOPES, ["read", "write"]),
        ("anna", SCOPES, ["read", "write", "decide"]),
        ("ada", {"read"}, ["read"]),
        ("anna", {"read", "decide"}, ["read", "decide"]),
    ],
)
async def test_each_is_told_its_rights(
    http: httpx.AsyncClient, store: Store, user: str, scopes: frozenset[Scope], rights: list[str]
) -> None:
    shown = bearer(await make_key(store, user, scopes=frozenset(scopes)))
    [listed] = (await http.get("/v1/conversations", headers=shown)).json()["conversations"]
    one = (await http.get("/v1/conversations/c", headers=shown)).json()
    child = (await http.get("/v1/conversations/child", headers=shown)).json()
    [below] = (await http.get("/v1/conversations/c/children", headers=shown)).json()["conversations"]
    assert [found["rights"] for found in (listed, one, child, below)] == [rights] * 4
    assert (listed["project"], one["project"]) == ("apollo", "apollo")


async def test_an_admin_has_what_its_owner_has(http: httpx.AsyncClient, store: Store) -> None:
    shown = bearer(await make_key(store, "boss", roles=frozenset({"admin"})))
    assert (await http.get("/v1/conversations/child", headers=shown)).json()["rights"] == ALL


async def test_what_one_makes_is_ones_own(http: httpx.AsyncClient, store: Store) -> None:
    made = await http.post("/v1/conversations", json={}, headers=bearer(await make_key(store)))
    assert (made.status_code, made.json()["rights"]) == (201, ALL)
    renamed = await http.patch(
        f"/v1/conversations/{made.json()['id']}", json={"title": "t"}, headers=bearer(await make_key(store))
    )
    assert renamed.json()["rights"] == ALL

"""The table of rights, and what a replica remembers of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deployments.access.conversations import ConversationAccess
from deployments.access.errors import Concealed, NotAllowed
from deployments.access.principal import LOCAL, Principal, Role, Scope
from deployments.access.rights import Right, may_all, rights_of
from store import ConversationNotFound, Store
from store.records import Parent
from tests.support.api import eventually
from tests.support.writer import NOW

MEMBERS = {"acme/vera": "viewer", "acme/will": "writer", "acme/anna": "approver", "acme/x": "king"}
ALL: frozenset[Right] = frozenset({"read", "write", "decide", "own"})
ADA, VERA, EVE = Principal("acme", "ada"), Principal("acme", "vera"), Principal("evil", "ada")


def acting(user: str, tenant: str = "acme", role: Role = "user", scopes: frozenset[Scope] | None = None) -> Principal:
    return Principal(tenant, user, frozenset({"user", role}), *(() if scopes is None else (scopes,)))


@pytest.mark.parametrize(
    ("principal", "rights"),
    [
        (ADA, ALL),
        (acting("vera"), {"read"}),
        (acting("will"), {"read", "write"}),
        (acting("anna"), {"read", "write", "decide"}),
        (acting("x"), set()),
        (acting("bob"), set()),
        (acting("ada", "evil"), set()),
        (acting("vera", "evil"), set()),
        (acting("boss", role="admin"), ALL),
        (acting("vera", role="admin"), ALL),
        (acting("boss", "evil", "admin"), set()),
        (acting("olga", "ops", "operator"), ALL),
        (LOCAL, ALL),
        (acting("ada", scopes=frozenset({"read"})), {"read"}),
        (acting("ada", scopes=frozenset({"write"})), {"write", "own"}),
        (acting("ada", scopes=frozenset()), set()),
        (acting("boss", role="admin", scopes=frozenset({"read", "write"})), set()),
        (acting("olga", "ops", "operator", frozenset({"admin", "read"})), {"read"}),
        (Principal(None, "ada"), set()),
    ],
)
def test_who_may_do_what(principal: Principal, rights: frozenset[Right]) -> None:
    assert rights_of(principal, "acme/ada", MEMBERS) == rights


def test_an_owner_without_a_tenant_has_no_admin() -> None:
    assert rights_of(acting("boss", role="admin"), "local", {}) == set()
    assert rights_of(Principal(None, "local"), "local", {}) == ALL


def test_operators_need_no_look() -> None:
    assert may_all(LOCAL, "own")
    assert not may_all(acting("olga", "ops", "operator", frozenset({"admin", "read"})), "write")
    assert not may_all(acting("boss", role="admin"), "read")


@pytest.fixture
async def access(store: Store) -> AsyncIterator[ConversationAccess]:
    """As it runs in a replica, with a conversation of Ada's and a child of that."""
    await store.registry.create("c", agent="a", principal="acme/ada", now=NOW)
    await store.registry.create("child", agent="a", principal="acme/ada", parent=Parent("c", "k", "c", 1, 1), now=NOW)
    access = ConversationAccess(store)
    listening = asyncio.Event()
    access.call_at_change(lambda _: listening.set())
    running = asyncio.create_task(access.run())
    await asyncio.wait_for(listening.wait(), 10)
    yield access
    running.cancel()
    await asyncio.wait({running})


async def refusal(access: ConversationAccess, principal: Principal, name: str, right: Right) -> type[Exception]:
    with pytest.raises((ConversationNotFound, NotAllowed)) as by_look:
        await access.get(principal, name, right)
    with pytest.raises(by_look.type):
        await access.require(principal, name, right)
    return by_look.type


async def test_what_is_not_yours_is_not_there(access: ConversationAccess) -> None:
    for name in ("c", "child", "nothing"):
        for right in ("read", "write", "decide", "own"):
            expected = ConversationNotFound if name == "nothing" else Concealed
            assert await refusal(access, EVE, name, right) is expected
    assert (await access.get(ADA, "child", "own")).id == "child"
    assert await refusal(access, ADA, "nothing", "read") is ConversationNotFound


async def test_the_hot_path_asks_once_and_hears_of_changes(access: ConversationAccess, store: Store) -> None:
    await store.members.set("c", "acme/vera", "writer", NOW)
    for name in ("c", "child"):
        await access.require(VERA, name, "write")
    asked = 0
    look = store.registry.get

    async def counting(conversation_id: str) -> object:
        nonlocal asked
        asked += 1
        return await look(conversation_id)

    store.registry.get = counting  # type: ignore[method-assign, assignment]
    for name in ("c", "child"):
        await access.require(VERA, name, "write")
        await access.require(ADA, name, "own")
    assert asked == 0

    await store.members.set("c", "acme/vera", "viewer", NOW)

    async def is_refused() -> bool:
        try:
            await access.require(VERA, "child", "write")
        except NotAllowed:
            return True
        return False

    await eventually(is_refused)
    assert await refusal(access, VERA, "c", "write") is NotAllowed
    await store.members.remove("c", "acme/vera", NOW)
    assert await refusal(access, VERA, "c", "read") is Concealed


async def test_a_new_member_need_not_wait(access: ConversationAccess, store: Store) -> None:
    await access.require(ADA, "c", "read")
    assert await refusal(access, VERA, "c", "read") is Concealed
    await store.members.set("c", "acme/vera", "viewer", NOW)
    await access.require(VERA, "c", "read")


async def test_a_deleted_conversation_is_forgotten(access: ConversationAccess, store: Store) -> None:
    await access.require(ADA, "c", "write")
    await store.registry.delete("c")
    await store.members.announce("c")
    await store.registry.create("c", agent="a", principal="evil/ada", now=NOW)

    async def is_refused() -> bool:
        try:
            await access.require(ADA, "c", "write")
        except ConversationNotFound:
            return True
        return False

    await eventually(is_refused)

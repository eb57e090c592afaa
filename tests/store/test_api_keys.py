"""API keys are kept until they are revoked, listed by tenant, and a use brings no revoked one back."""

from dataclasses import replace

from store import Store
from store.registries.api_keys import ApiKey
from tests.support.writer import NOW

ADA = ApiKey("a2", "00ff", "acme", "ada", ("admin", "user"), ("read",), "läptop", NOW, NOW + 5)
BOB = ApiKey("b3", "11ff", "acme", "bob", ("user",), (), "", NOW + 1)
EVE = ApiKey("c4", "22ff", "evil", "eve", ("user",), ("read", "write"), "", NOW)


async def test_a_key_is_what_it_was_made_as(store: Store, second_store: Store) -> None:
    for key in (ADA, BOB, EVE):
        await store.api_keys.add(key)

    assert await second_store.api_keys.get("a2") == ADA
    assert await second_store.api_keys.get("zz") is None
    assert await second_store.api_keys.get_many(["b3", "zz", "c4"]) == {"b3": BOB, "c4": EVE}
    assert await second_store.api_keys.get_many([]) == {}
    assert ADA.principal == "acme/ada"


async def test_a_tenant_has_its_own_keys_with_their_last_use(store: Store) -> None:
    for key in (BOB, ADA, EVE):
        await store.api_keys.add(key)
    await store.api_keys.note_use(ADA, NOW + 7)
    await store.api_keys.note_use(ADA, NOW + 6)

    assert await store.api_keys.list("acme") == [replace(ADA, last_used_at=NOW + 7), BOB]
    assert await store.api_keys.list("evil") == [EVE]
    assert await store.api_keys.list("nothing") == []


async def test_a_revoked_key_stays_revoked(store: Store) -> None:
    await store.api_keys.add(ADA)
    await store.api_keys.remove(ADA)
    await store.api_keys.remove(ADA)
    await store.api_keys.note_use(ADA, NOW + 7)

    assert await store.api_keys.get("a2") is None
    assert await store.api_keys.list("acme") == []

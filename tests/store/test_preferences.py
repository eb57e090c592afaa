"""A person's choices stay until they are taken back, and are separate from those of other persons."""

from store import Store


async def test_what_was_never_chosen_is_none(store: Store) -> None:
    assert await store.preferences.get("ada", "approval:shell") is None
    assert await store.preferences.all("ada") == {}


async def test_a_choice_stays_until_it_is_taken_back(store: Store, second_store: Store) -> None:
    await store.preferences.set("ada", "approval:shell", "auto")
    await store.preferences.set("ada", "approval:mäil", "required")
    await store.preferences.set("bob", "approval:shell", "required")

    assert await second_store.preferences.get("ada", "approval:shell") == "auto"
    assert await second_store.preferences.all("ada") == {"approval:shell": "auto", "approval:mäil": "required"}

    await store.preferences.set("ada", "approval:shell", "required")
    assert await second_store.preferences.get("ada", "approval:shell") == "required"
    await store.preferences.set("ada", "approval:shell", None)
    await store.preferences.set("ada", "approval:shell", None)
    assert await second_store.preferences.all("ada") == {"approval:mäil": "required"}
    assert await second_store.preferences.get("bob", "approval:shell") == "required"

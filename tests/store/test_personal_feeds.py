"""A person's feed: kept only for people who look, told once, bounded, and read on from any id that is still kept."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from store import Store
from store.errors import MissedEvents
from store.registries import personal_feeds
from store.registries.personal_feeds import PersonalEvent, Told


def happened(number: int, conversation_id: str = "c", index: int = 0) -> PersonalEvent:
    entry_id = f"7:1700000000000-{number}" + (f":{index}" if index else "")
    return PersonalEvent(conversation_id, entry_id, {"type": "turn_ended", "turn": number, "of": conversation_id})


def turns(found: Sequence[Told] | None) -> list[int]:
    assert found is not None
    return [told.event["turn"] for told in found]


async def test_nothing_is_kept_for_people_who_do_not_look(store: Store) -> None:
    assert await store.personal_feeds.tell("acme/ada", [happened(1)]) == 0
    begun = await store.personal_feeds.open("acme/ada")
    assert await store.personal_feeds.open("acme/ada") == begun, "it goes on"
    assert await store.personal_feeds.tell("acme/ada", [happened(2), happened(3)]) == 2
    found = await store.personal_feeds.read("acme/ada", begun, 10)
    assert turns(found) == [2, 3]
    assert found is not None
    assert turns(await store.personal_feeds.read("acme/ada", found[0].id, 10)) == [3]
    assert turns(await store.personal_feeds.read("acme/ada", begun, 1)) == [2]
    assert await store.personal_feeds.open("acme/ada") == found[1].id
    assert await store.personal_feeds.read("acme/bob", begun, 10) is None


async def test_what_comes_again_is_told_once(store: Store) -> None:
    begun = await store.personal_feeds.open("acme/ada")
    batch = [happened(9), happened(10), happened(10, index=2), happened(9, "d")]
    assert await store.personal_feeds.tell("acme/ada", batch) == 4
    assert await store.personal_feeds.tell("acme/ada", [*batch, happened(10, index=11)]) == 1
    assert turns(await store.personal_feeds.read("acme/ada", begun, 10)) == [9, 10, 10, 9, 10]


async def test_what_is_not_kept_any_more_cannot_be_read_on_from(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personal_feeds, "MAX_ENTRIES", 5)
    monkeypatch.setattr(personal_feeds, "MAX_REMEMBERED", 3)
    begun = await store.personal_feeds.open("acme/ada")
    for number in range(1, 220):
        await store.personal_feeds.tell("acme/ada", [happened(number, f"c{number}")])
    assert await store.personal_feeds.read("acme/ada", begun, 10) is None
    newest = await store.personal_feeds.open("acme/ada")
    assert await store.personal_feeds.read("acme/ada", newest, 10) == []
    ahead = f"{int(newest.partition('-')[0]) + 1}-0"
    assert await store.personal_feeds.read("acme/ada", ahead, 10) is None, "an id of another store, or of a lost past"


async def test_of_what_is_gone_only_that_is_kept(store: Store) -> None:
    begun = await store.personal_feeds.open("acme/ada")
    await store.personal_feeds.tell("acme/ada", [happened(1), happened(2, "d"), happened(3)])
    await store.personal_feeds.tell("acme/ada", [happened(4)._replace(is_last=True)])
    assert turns(await store.personal_feeds.read("acme/ada", begun, 10)) == [2, 4]


async def test_it_is_heard_at_once(store: Store) -> None:
    begun = await store.personal_feeds.open("acme/ada")
    async with store.personal_feeds.listen("acme/ada") as heard, asyncio.timeout(10):
        await store.personal_feeds.tell("acme/bob", [happened(1)])
        await store.personal_feeds.tell("acme/ada", [happened(2)])
        while True:
            try:
                message: dict[str, Any] = await heard.get()
                break
            except MissedEvents:
                continue
    (told,) = await store.personal_feeds.read("acme/ada", begun, 10) or []
    assert message == {"id": told.id, "event": told.event}

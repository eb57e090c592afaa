"""What people are told of the feed: of their own conversations and those shared with them, each thing once."""

from typing import Any

from agents.clock import now_ms
from deployments.feed.consumers.people import People
from store import Store
from store.feed.entry import FeedEntry


def entry(number: int, kind: str, conversation_id: str = "c", **data: Any) -> FeedEntry:
    always = {"owner": "acme/ada", "root": conversation_id}
    return FeedEntry(f"7:1700000000000-{number}", 7, kind, conversation_id, 1_700_000_000_000, {**always, **data})


async def told(store: Store, user: str, begun: str) -> list[tuple[str, Any]]:
    found = await store.personal_feeds.read(f"acme/{user}", begun, 100)
    assert found is not None
    return [(each.event["type"], each.event.get("turn")) for each in found]


async def test_the_owner_and_the_members_are_told_and_no_other(store: Store) -> None:
    await store.registry.create("c", agent="assistant", principal="acme/ada", now=now_ms())
    await store.members.set("c", "acme/bob", "viewer", now_ms())
    begun = {user: await store.personal_feeds.open(f"acme/{user}") for user in ("ada", "bob", "eve", "boss")}
    people = People(store)
    batch = [
        entry(1, "turn_started", turn=1, principal="acme/ada", agent="assistant"),
        entry(2, "tool_called", turn=1, tool_call_id="t", name="shell"),
        entry(3, "turn_started", "child", root="c", turn=1, principal="acme/ada", agent="critic"),
        entry(4, "turn_ended", turn=1, outcome="completed"),
        entry(5, "turn_started", "other", owner="acme/eve", turn=8, principal="acme/eve", agent="assistant"),
    ]
    await people.take(batch)
    await people.take(batch)  # the engine may hand them over again
    expected = [("turn_started", 1), ("turn_ended", 1)]
    assert await told(store, "ada", begun["ada"]) == expected
    assert await told(store, "bob", begun["bob"]) == expected
    assert await told(store, "eve", begun["eve"]) == [("turn_started", 8)]
    assert await told(store, "boss", begun["boss"]) == [], "an admin is told of its own conversations only"

    await store.members.remove("c", "acme/bob", now_ms())
    await people.take(
        [
            entry(6, "members_changed", principal="acme/bob", role=None, by="acme/ada"),
            entry(7, "turn_started", turn=2, principal="acme/ada", agent="assistant"),
        ]
    )
    assert await told(store, "bob", begun["bob"]) == [("members_changed", None)], "what is none of his is not kept"
    await store.registry.delete("c")
    await people.take([entry(8, "conversation_deleted", members=["acme/eve"], by="acme/ada")])
    assert (await told(store, "eve", begun["eve"]))[-1] == ("conversation_deleted", None)
    assert await told(store, "ada", begun["ada"]) == [("conversation_deleted", None)], (
        "what was told of it is gone, too"
    )
    found = await store.personal_feeds.read("acme/ada", begun["ada"], 100)
    assert found is not None
    assert found[-1].event == {
        "type": "conversation_deleted",
        "conversation_id": "c",
        "at": 1_700_000_000_000,
        "owner": "acme/ada",
        "by": "acme/ada",
    }


async def test_a_conversation_that_took_the_id_of_another_tells_its_own_people_only(store: Store) -> None:
    await store.registry.create("c", agent="assistant", principal="acme/eve", now=now_ms())
    await store.members.set("c", "acme/bob", "viewer", now_ms())
    begun = await store.personal_feeds.open("acme/bob")
    await People(store).take([entry(1, "turn_ended", turn=1, outcome="completed")])
    assert await told(store, "bob", begun) == []


async def test_of_a_row_of_a_batch_people_hear_its_questions_and_what_they_say_there(store: Store) -> None:
    begun = await store.personal_feeds.open("acme/ada")
    row = "batch-0f-7"
    await People(store).take(
        [
            entry(1, "turn_started", row, turn=1),
            entry(2, "question_asked", row, turn=1),
            entry(3, "turn_ended", row, turn=1),
            entry(4, "turn_started", row, turn=2),
        ]
    )
    assert await told(store, "ada", begun) == [("question_asked", 1), ("turn_started", 2)]

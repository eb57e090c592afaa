"""The audit of what conversations do: who called, who decided, for whom, with which outcome, and each once."""

from collections.abc import Mapping
from typing import Any

import pytest

from agents.conversation.feed_notices import notices
from agents.turn import Event, Facts
from agents.turn.events import Resolution, Suspension, ToolCall, ToolResult, UserMsg
from deployments.feed.consumers.audit import SAID, Audit
from store import Store
from store.audit.verify import verify_stored
from store.feed.entry import FeedEntry
from store.feed.types import FEED_TYPES
from tests.support.conversations import World
from tests.support.writer import NOW

SECRET = "rm -rf the-secret"
TURN: tuple[Event, ...] = (
    UserMsg(turn=1, principal="acme/ada", content=[{"type": "text", "text": SECRET}]),
    ToolCall(
        turn=1,
        principal="acme/ada",
        tool_call_id="t1",
        step=1,
        name="shell",
        arguments={"command": SECRET},
        approval="required",
        trust="requires_approval",
    ),
    Suspension(turn=1, tool_call_id="t1", kind="approval", executor="server", prompt=SECRET, expires_at=NOW),
    Resolution(turn=1, principal="acme/bob", tool_call_id="t1", decision="approve", reason=SECRET),
    ToolResult(turn=1, principal="acme/bob", tool_call_id="t1", content=SECRET),
)


@pytest.fixture
async def store(world: World) -> Store:
    """Of this test alone; no service uses it."""
    return world.store


def entry(number: int, kind: str, data: Mapping[str, Any], conversation: str = "c") -> FeedEntry:
    always = {"owner": "acme/ada", "root": "c"}
    return FeedEntry(f"{NOW}-{number}", 7, kind, conversation, NOW + number, {**always, **data})


async def lines_of(store: Store, tenant: str = "acme") -> list[dict[str, Any]]:
    return [line.fields() async for line in store.audit.read_all(tenant)]


async def test_a_gated_call_is_told_from_the_call_to_its_outcome(store: Store) -> None:
    told = notices(Facts(), TURN, "default")
    entries = [entry(number, kind, data) for number, (kind, data) in enumerate(told)]
    consumer = Audit(store.audit, lambda: NOW + 99)
    await consumer.take(entries[:3])
    await consumer.take(entries)
    await consumer.take(entries[2:])

    lines = await lines_of(store)
    assert [(line["type"], line.get("principal"), line.get("outcome")) for line in lines] == [
        ("tool_called", "acme/ada", None),
        ("question_asked", None, None),
        ("question_answered", "acme/bob", "approve"),
        ("tool_finished", "acme/bob", "ok"),
    ]
    call = lines[0]
    assert {line["on_behalf_of"] for line in lines} == {"acme/ada"}
    assert {line["conversation_id"] for line in lines} == {"c"}
    assert call["data"].pop("arguments_hash") == dict(told)["tool_called"]["arguments_hash"]
    assert call["data"] == {
        "turn": 1,
        "tool_call_id": "t1",
        "name": "shell",
        "executor": "server",
        "approval": "required",
        "trust": "requires_approval",
    }
    assert (call["at"], call["recorded_at"]) == (entries[1].at, NOW + 99)
    assert SECRET not in str(lines)
    assert (await verify_stored(store.audit, "acme")).is_whole


async def test_what_is_shared_and_deleted_is_told_in_the_owners_tenant(store: Store) -> None:
    shared = {"principal": "acme/vera", "role": "viewer", "by": "ops/olga"}
    ended = {"principal": "acme/vera", "role": None, "by": "acme/vera"}
    deleted = {"members": ["acme/vera"], "by": "acme/boss"}
    entries = [
        entry(1, "members_changed", shared),
        entry(2, "members_changed", ended),
        entry(3, "conversation_deleted", deleted),
        entry(4, "turn_started", {"turn": 1}),
        entry(5, "question_expired", {"tool_call_id": "t1"}, conversation="child"),
    ]
    others = FeedEntry("1-0", 7, "conversation_deleted", "x", NOW, {"owner": "local", "root": "x", "by": "local"})
    await Audit(store.audit).take([*entries, others])

    lines = await lines_of(store)
    assert [(line["type"], line.get("principal"), line["data"]) for line in lines] == [
        ("members_changed", "ops/olga", {"principal": "acme/vera", "role": "viewer"}),
        ("members_changed", "acme/vera", {"principal": "acme/vera"}),
        ("conversation_deleted", "acme/boss", {"members": ["acme/vera"]}),
        ("question_expired", None, {"tool_call_id": "t1", "root": "c"}),
    ]
    assert [line["principal"] for line in await lines_of(store, "-")] == ["local"]


def test_it_knows_only_what_the_feed_tells() -> None:
    assert SAID.keys() <= FEED_TYPES.keys()
    assert all(set(keys) <= set(FEED_TYPES[kind]) for kind, keys in SAID.items())

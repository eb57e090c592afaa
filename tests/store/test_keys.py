"""The key table: every key is declared, has one spelling and shares its conversation's slot."""

from dataclasses import astuple

import pytest
from redis.crc import key_slot

from store import Scope, Store
from store.key_groups import ListKeys
from store.keys import PARTITIONS, TABLE, Keys, marker_beside
from store.records import Parent
from store.registries.lists import ALL, of_principal, of_tenant
from tests.store.conftest import Target
from tests.support.leaks import all_keys, find_problems
from tests.support.writer import NOW, Writer

KEYS = Keys()


def spelled_for(conversation_id: str) -> list[str]:
    """Every key of a conversation, its file system's included."""
    own = KEYS.conversation(conversation_id)
    files = (own.files.files, own.files.contents, own.files.totals, own.files.receipts, own.files.receipt("0f"))
    return [
        own.log,
        own.meta,
        own.clients,
        own.segments,
        own.unfinished,
        own.feed.stream,
        own.feed.groups,
        own.feed.aside,
        own.children,
        own.usage,
        own.model_calls,
        own.client_tools,
        own.text,
        *files,
    ]


def test_the_spelling_is_part_of_the_data_format() -> None:
    own = KEYS.conversation("c-1")

    assert own.log == "raylogue:{62}:conversation:c-1:log"
    assert own.meta == "raylogue:{62}:conversation:c-1:meta"
    assert own.clients == "raylogue:{62}:conversation:c-1:clients"
    assert own.segments == "raylogue:{62}:conversation:c-1:segments"
    assert own.live == "raylogue:{62}:conversation:c-1:live"
    assert own.unfinished == "raylogue:{62}:unfinished"
    assert own.feed.stream == "raylogue:{62}:feed"
    assert own.feed.groups == "raylogue:{62}:feed_groups"
    assert own.feed.aside == "raylogue:{62}:feed_aside"
    assert own.children == "raylogue:{62}:conversation:c-1:children"
    assert own.usage == "raylogue:{62}:conversation:c-1:usage"
    assert own.model_calls == "raylogue:{62}:conversation:c-1:model_calls"
    assert own.client_tools == "raylogue:{62}:conversation:c-1:client_tools"
    assert own.text == "raylogue:{62}:conversation:c-1:text"
    assert KEYS.list(of_principal("ada")) == ListKeys(
        "raylogue:{owner:ada}:conversations",
        "raylogue:{owner:ada}:conversations_by_creation",
        "raylogue:{owner:ada}:conversations_by_title",
    )
    assert KEYS.list(of_tenant("acme")).updated == "raylogue:{tenant:acme}:conversations"
    assert KEYS.list(ALL).updated == "raylogue:{all}:conversations"
    assert KEYS.preferences("ada") == "raylogue:{owner:ada}:preferences"
    assert KEYS.personal_feed("ada") == "raylogue:{owner:ada}:feed"
    assert KEYS.told("ada") == "raylogue:{owner:ada}:told"
    assert KEYS.api_key("a2") == "raylogue:api_key:a2"
    assert KEYS.api_keys("acme") == "raylogue:{tenant:acme}:api_keys"
    assert KEYS.project("acme/apollo") == "raylogue:{project:acme/apollo}:members"
    assert KEYS.spent("person:ada:2026-01-31") == "raylogue:{usage:person:ada:2026-01-31}:usage"


def test_files_are_spelled_after_their_scope() -> None:
    own, users = KEYS.files("conversation", "c-1"), KEYS.files("user", "ada")

    assert own.files == "raylogue:{62}:conversation:c-1:files"
    assert own.contents == "raylogue:{62}:conversation:c-1:contents"
    assert own.totals == "raylogue:{62}:conversation:c-1:file_totals"
    assert own.receipt("0f") == "raylogue:{62}:conversation:c-1:file_receipt:0f"
    assert own.meta == "raylogue:{62}:conversation:c-1:meta"
    assert users.files == "raylogue:{files:user:ada}:files"
    assert users.receipt("0f") == "raylogue:{files:user:ada}:file_receipt:0f"
    assert users.meta is None
    assert KEYS.files("project", "ada").files == "raylogue:{files:project:ada}:files"


def test_every_key_of_a_conversation_is_in_one_slot() -> None:
    for conversation_id in ("c-1", "parent/child", "ümläut", "with:colon", "{brace}"):
        slots = {key_slot(key.encode()) for key in spelled_for(conversation_id)}
        assert len(slots) == 1


@pytest.mark.parametrize("scope_id", ["ada", "with:colon", "{brace}", "a}b"])
def test_every_key_of_a_file_system_is_in_one_slot(scope_id: str) -> None:
    own = KEYS.files("user", scope_id)
    assert len({key_slot(key.encode()) for key in (own.files, own.contents, own.totals, own.receipt("0f"))}) == 1


def test_partitions_are_used_evenly() -> None:
    used = [KEYS.partition(f"conversation-{number}") for number in range(64 * 50)]

    assert set(used) == set(range(PARTITIONS))
    assert max(used.count(partition) for partition in range(PARTITIONS)) < 100


def test_the_table_recognises_each_kind_of_key_and_no_other() -> None:
    copy = KEYS.copy("c", "0f")
    spelled = [
        *spelled_for("any:thing{at}all"),
        *astuple(KEYS.list(of_principal("a b}c"))),
        KEYS.preferences("a b}c"),
        KEYS.memories("a b}c"),
        KEYS.personal_feed("a b}c"),
        KEYS.told("a b}c"),
        KEYS.spent("a:b}c"),
        KEYS.lists_made,
        KEYS.job("0f"),
        KEYS.jobs,
        KEYS.jobs_of("a b}c"),
        KEYS.jobs_of_tenant("acme"),
        KEYS.open_jobs,
        KEYS.job_names,
        *KEYS.batch("b-1").all(),
        KEYS.batches,
        KEYS.batches_of("a b}c"),
        KEYS.batches_of_tenant("acme"),
        KEYS.failures,
        KEYS.schedule("0f").record,
        *astuple(KEYS.send_slots("telegram", "a b}c")),
        KEYS.schedule("0f").runs,
        KEYS.schedule("0f").ended,
        KEYS.schedules_due(3),
        KEYS.schedules,
        KEYS.schedules_of("a b}c"),
        KEYS.schedules_of_tenant("acme"),
        KEYS.standing,
        KEYS.scheduler,
        KEYS.chat(KEYS.chat_id("telegram", "a b}c")).record,
        KEYS.chat("0f").seen,
        KEYS.chats,
        KEYS.worker_supply,
        KEYS.relayed_metrics,
        KEYS.metrics_lease,
        f"{KEYS.queue('normal')}:stream",
        KEYS.hosts,
        KEYS.ping,
        KEYS.busy,
        KEYS.clusters,
        KEYS.code_version,
        KEYS.deployments,
        KEYS.mcp_servers,
        marker_beside(KEYS.list(of_principal("a b}c")).updated),
        KEYS.prestart("0f"),
        KEYS.endpoint("0f"),
        KEYS.line("session_1"),
        KEYS.started("session_1"),
        KEYS.api_key("a2"),
        KEYS.project("acme/a}b"),
        KEYS.api_keys("acme"),
        KEYS.page_session("0f"),
        KEYS.audit_tenants,
        KEYS.audit("acme").lines,
        KEYS.audit("acme").head,
        KEYS.audit("-").known,
        copy.head,
        copy.log,
        copy.clients,
        copy.files.files,
        copy.files.contents,
        copy.files.totals,
        KEYS.imports,
        KEYS.replay("0f"),
        KEYS.replay_results("0f"),
        KEYS.replays,
        KEYS.replays_of("acme/ada"),
        KEYS.replays_of_tenant("acme"),
        KEYS.open_batches,
        KEYS.feed_lease(3),
        KEYS.limits("acme"),
        KEYS.turns("acme", "acme/ada"),
        KEYS.streams("acme", "acme"),
        KEYS.counted("acme", "acme/ada", "requests", 7),
    ]
    users = KEYS.files("user", "a}b")
    rows = [KEYS.row(key) for key in spelled]
    of_files = [
        KEYS.row(key) for key in (users.files, users.contents, users.totals, users.receipts, users.receipt("0f"))
    ]

    assert None not in rows
    assert {row.name for row in rows if row} == {row.name for row in TABLE}
    assert len(rows) == len(TABLE)
    assert [row.name for row in of_files if row] == [
        "files",
        "contents",
        "file_totals",
        "file_receipts",
        "file_receipt",
    ]
    assert all(row.lifetime for row in TABLE)
    assert KEYS.row("raylogue:{1}:conversation:c:lock") is None
    assert KEYS.row("elsewhere:{1}:unfinished") is None
    assert Keys("other").row(spelled[0]) is None


def test_a_marker_is_in_the_slot_of_its_neighbour() -> None:
    for key in (KEYS.conversation("c-1").meta, KEYS.list(of_principal("a}b")).updated, KEYS.files("user", "{x}").files):
        assert key_slot(marker_beside(key).encode()) == key_slot(key.encode())
    assert marker_beside(KEYS.conversation("c-1").meta) == "raylogue:{62}:confirmed"


@pytest.mark.parametrize("prefix", ["", "a{b}", "}"])
def test_a_prefix_must_not_disturb_the_hash_tag(prefix: str) -> None:
    with pytest.raises(ValueError, match="key prefix"):
        Keys(prefix)


async def test_a_used_conversation_has_exactly_the_keys_of_the_table(store: Store, target: Target) -> None:
    client = target.client()
    before = await all_keys(client)
    writer = await Writer.new(store, "c")
    await writer.append(b"one", due_at=NOW, client_ids={"first": 1})
    await store.registry.create("child", agent="a", principal="ada", parent=Parent("c", "call", "c", 1, 1), now=NOW)
    await store.files.write(Scope("conversation", "c"), "a", b"", expected_version=None, now=NOW)
    await store.usage.record("conversation:c", "c:1", tokens=1, cost=1, lifetime=None)
    await store.model_calls.record("c", b"{}", lifetime=60, now=NOW)
    own = store.keys.conversation("c")

    files = {own.files.files, own.files.contents, own.files.totals, own.files.receipts}
    recorded = {own.children, own.usage, own.model_calls}
    lists = {key for name in (of_principal("ada"), ALL) for key in astuple(store.keys.list(name))}
    expected = {own.log, own.meta, own.clients, own.unfinished, *lists, *files, *recorded}
    found = {key.decode() for key in await all_keys(client) - before}
    assert {key for key in found if ":file_receipt:" not in key} == {*expected, store.keys.conversation("child").meta}
    assert len(found) == len(expected) + 2
    await client.aclose()


async def test_the_leak_checker_sees_strays_wrong_types_and_expiry(store: Store, target: Target) -> None:
    client = target.client()
    own = store.keys.conversation("c")
    stray = f"{store.keys.prefix}:stray"
    await client.set(stray, "x")
    await client.set(own.log, "not a stream")
    await client.hset(own.meta, "agent", "x")
    await client.expire(own.meta, 60)
    await client.xadd(own.model_calls, {"d": "x"})
    found = {stray.encode(), own.log.encode(), own.meta.encode(), own.model_calls.encode()}

    wrong = "\n".join(await find_problems(client, store.keys, found))

    assert f"{stray} is not in the table" in wrong
    assert f"{own.log} is a string, not a stream" in wrong
    assert f"{own.meta} expires" in wrong
    assert f"{own.model_calls} never expires" in wrong
    for key in found:
        await client.delete(key)
    await client.aclose()

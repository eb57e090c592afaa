"""The audit of what people do at the door: written before it is done, read by admins, and without a secret in it."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from click.testing import Result
from redis.asyncio import Redis
from structlog.testing import CapturingLogger
from typer.testing import CliRunner

from agents.clock import now_ms
from deployments.access import auditing, refusals
from deployments.access.auditing import Auditor
from deployments.access.principal import Principal
from deployments.access.refusals import RefusalCounts, Refused
from deployments.background import audit_upkeep
from deployments.background.audit_upkeep import DAY_MS, AuditUpkeep
from deployments.cli.errors import CommandFailed
from deployments.cli.main import application
from deployments.settings import Settings
from store import Store, StoreUnavailable, connect
from store.audit import audit_log, search
from store.audit.lines import AuditEvent, parse_exported
from store.audit.verify import verify_stored
from store.errors import ConversationNotFound
from store.registries.jobs import JobRecord
from tests.deployments.access.test_sessions import PAGE, sign_in
from tests.deployments.test_problems import check_problem
from tests.servers.process import RedisServer, send_command
from tests.support.access_service import bearer, make_key, serving
from tests.support.api import eventually
from tests.support.conversations import World

ADA = Principal("acme", "ada")
BOSS = frozenset({"admin"})
OLGA = frozenset({"operator"})


async def lines_of(store: Store, tenant: str = "acme") -> list[dict[str, Any]]:
    return [line.fields() async for line in store.audit.read_all(tenant)]


def told(line: Mapping[str, Any]) -> tuple[Any, ...]:
    return line["type"], line.get("principal"), line.get("outcome")


async def test_sign_ins_and_keys_are_told(http: httpx.AsyncClient, store: Store) -> None:
    boss = await make_key(store, "boss", roles=BOSS)
    await sign_in(http, boss)
    made = await http.post("/v1/keys", json={"user": "bob", "scopes": ["read"]}, headers=PAGE)
    key_id = made.json()["id"]
    assert (await http.delete(f"/v1/keys/{key_id}", headers=PAGE)).status_code == 204
    for _ in range(2):
        assert (await http.delete("/v1/session", headers=PAGE)).status_code in (204, 401)

    lines = await lines_of(store)
    assert [told(line) for line in lines] == [
        ("signed_in", "acme/boss", None),
        ("key_created", "acme/boss", "begun"),
        ("key_created", "acme/boss", "done"),
        ("key_revoked", "acme/boss", "begun"),
        ("key_revoked", "acme/boss", "done"),
        ("signed_out", "acme/boss", None),
    ]
    created = lines[2]["data"]
    assert created.pop("act") == lines[1]["data"]["act"] != lines[3]["data"]["act"]
    facts = {"key": key_id, "user": "bob", "roles": ["user"], "scopes": ["read"], "expires_at": None}
    assert created == {**facts, "made_by": boss.split("_")[1]}
    assert lines[0]["data"] == {"network": "local"}
    assert (await verify_stored(store.audit, "acme")).is_whole
    secrets = (boss.split("_", 2)[2], made.json()["key"].split("_", 2)[2])
    assert not any(secret in str(lines) for secret in secrets)


async def test_an_act_on_another_tenant_is_told_there(http: httpx.AsyncClient, store: Store) -> None:
    olga = bearer(await make_key(store, "olga", "ops", roles=OLGA))
    await http.post("/v1/keys", json={"user": "bob", "tenant": "acme"}, headers=olga)
    assert [told(line) for line in await lines_of(store)][1:] == [("key_created", "ops/olga", "done")]
    assert await lines_of(store, "ops") == []


async def test_choices_of_approvals_are_told(store: Store) -> None:
    async with serving(store, Settings(auth="off")) as http:
        address = "/v1/preferences/approvals"
        refused = await http.put(f"{address}/none", json={"approval": "auto"})
        check_problem(refused, 422, "invalid_request")
        assert (await http.put(f"{address}/scale_service", json={"approval": "auto"})).status_code == 200
    begun, done = await lines_of(store, "-")
    assert (told(begun), told(done)) == (("approval_chosen", "local", "begun"), ("approval_chosen", "local", "done"))
    assert done["data"] == {"tool": "scale_service", "approval": "auto", "act": begun["data"]["act"]}


async def test_an_act_that_fails_is_told_as_such(store: Store) -> None:
    auditor = Auditor(store.audit)
    with pytest.raises(ConversationNotFound):
        async with auditor.act("turn_aborted", ADA, tenant="evil", conversation_id="c", data={"turn": 1}):
            raise ConversationNotFound("c")
    with pytest.raises(StoreUnavailable):
        async with auditor.act("turn_aborted", ADA):
            raise StoreUnavailable("it is uncertain")
    begun, failed = await lines_of(store, "evil")
    assert (begun["outcome"], failed["outcome"]) == ("begun", "failed")
    assert failed["data"] == {**begun["data"], "reason": "ConversationNotFound"}
    assert failed["conversation_id"] == "c"
    assert [line["outcome"] for line in await lines_of(store)] == ["begun", "unknown"]


@contextmanager
def full(server: RedisServer) -> Iterator[None]:
    """The server takes nothing more; what is deleted is."""
    send_command(server.port, "CONFIG", "SET", "maxmemory", "1")
    yield
    send_command(server.port, "CONFIG", "SET", "maxmemory", "0")


async def test_what_cannot_be_audited_is_not_done_unless_it_takes_a_right_away(
    fragile: tuple[World, RedisServer],
    redis_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logged = CapturingLogger()
    monkeypatch.setattr(auditing, "log", logged)
    monkeypatch.setattr(audit_upkeep, "PERIOD_SECONDS", 0.05)
    store = connect(fragile[1].url, prefix=redis_prefix, patience=0.05)
    async with serving(store, Settings(auth="keys")) as http:
        boss = await make_key(store, "boss", roles=BOSS)
        key_id = (await http.post("/v1/keys", json={"user": "bob"}, headers=bearer(boss))).json()["id"]
        with full(fragile[1]):
            check_problem(await sign_in(http, boss), 503, "store_unavailable")
            refused = await http.post("/v1/keys", json={"user": "eve"}, headers=bearer(boss))
            check_problem(refused, 503, "store_unavailable")
            assert {key.user for key in await store.api_keys.list("acme")} == {"boss", "bob"}
            revoked = await http.delete(f"/v1/keys/{key_id}", headers=bearer(boss))
            assert revoked.status_code == 204
            assert await store.api_keys.get(key_id) is None
            assert len(await lines_of(store)) == 2

        async def is_told() -> bool:
            told_of = [told(line)[::2] for line in (await lines_of(store))[2:]]
            return told_of == [("key_revoked", "begun"), ("key_revoked", "done")]

        await eventually(is_told)
    waited = [call.kwargs["said"] for call in logged.calls if call.args == ("audit_line_waits",)]
    assert [(said["kind"], said["outcome"], said["key"]) for said in waited] == [
        ("key_revoked", "begun", key_id),
        ("key_revoked", "done", key_id),
    ]
    await store.aclose()


async def test_refusals_are_told_by_principal_and_network(
    http: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_upkeep, "PERIOD_SECONDS", 0.05)
    monkeypatch.setattr(refusals, "FIRST_MS", 300)
    ada, eve = await make_key(store), bearer(await make_key(store, "eve", "evil"))
    bob = bearer(await make_key(store, "bob"))
    await store.projects.use("acme/apollo", "acme/ada")
    job = JobRecord("apollo", "write_note", "acme/ada", "normal", "waiting", b"{}", 1, 1)
    await store.jobs.add(job, now=1, kept_ms=1)
    async with serving(store, Settings(auth="keys")) as fast:
        created = (await fast.post("/v1/conversations", json={}, headers=bearer(ada))).json()["id"]
        guessed = ada[:-4] + "AAAA"
        for _ in range(3):
            check_problem(await fast.get(f"/v1/conversations/{created}", headers=eve), 404, "unknown_conversation")
            await fast.get("/v1/conversations/none", headers=eve)
            await fast.get("/v1/conversations", headers=bearer(guessed))
        await fast.delete(f"/v1/keys/{ada.split('_')[1]}", headers=eve)
        await fast.delete("/v1/keys/aaaaaaaaaaaa", headers=eve)
        for name in ("apollo", "none"):
            await fast.get(f"/v1/projects/{name}/members?tenant=acme", headers=eve)
            await fast.get(f"/v1/projects/{name}/members", headers=bob)
            await fast.get(f"/v1/jobs/{name}", headers=eve)
        await fast.post("/v1/conversations", json={"project": "apollo"}, headers=bob)
        check_problem(await fast.get("/v1/audit", headers=eve), 403, "not_allowed")
        await sign_in(fast, guessed)
        await fast.get("/v1/info", headers={"Host": "evil.example"})
    told_of = {
        (tenant, line.get("principal"), line["data"]["code"]): line["data"]
        for tenant in ("evil", "-", "acme")
        for line in await lines_of(store, tenant)
    }
    counts = {name: data["count"] for name, data in told_of.items()}
    assert counts == {
        ("acme", "evil/eve", "unknown_conversation"): 3,
        ("acme", "evil/eve", "unknown_key"): 1,
        ("acme", "evil/eve", "unknown_project"): 1,
        ("acme", "evil/eve", "unknown_job"): 1,
        ("acme", "acme/bob", "unknown_project"): 2,
        ("evil", "evil/eve", "not_allowed"): 1,
        ("-", None, "credentials_invalid"): 4,
        ("-", None, "foreign_host"): 1,
    }
    # The admins of those who ask are not told either that something is there.
    assert told_of["acme", "evil/eve", "unknown_conversation"]["conversations"] == [created]
    assert "AAAA" not in str(told_of)
    assert told_of["-", None, "credentials_invalid"]["network"] == "local"


@pytest.fixture
async def filled(store: Store) -> Store:
    """Nine lines of acme, two each of another tenant and of none."""
    for number in range(1, 10):
        kind, who = ("tool_called", "acme/ada") if number % 2 else ("key_revoked", "acme/boss")
        event = AuditEvent(f"e{number}", kind, 1000 * number, who, "acme/bob", f"c{number % 3}", data={"n": number})
        await store.audit.append("acme", [event], 1000 * number)
    for tenant in ("evil", "-"):
        events = [AuditEvent(f"{tenant}{number}", "key_revoked", 1000 * number) for number in (1, 2)]
        await store.audit.append(tenant, events, 1000)
    return store


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("limit=2", [9, 8]),
        ("limit=2&cursor=8", [7, 6]),
        ("cursor=1", []),
        ("type=key_revoked", [8, 6, 4, 2]),
        ("principal=acme/ada&limit=2", [9, 7]),
        ("principal=acme/bob&conversation=c1", [7, 4, 1]),
        ("since=4000&until=7000", [6, 5, 4]),
        ("type=nothing", []),
    ],
)
async def test_admins_find_lines_of_their_tenant(
    http: httpx.AsyncClient, filled: Store, query: str, expected: list[int]
) -> None:
    boss = bearer(await make_key(filled, "boss", roles=BOSS))
    page = (await http.get(f"/v1/audit?{query}", headers=boss)).json()
    assert [line["seq"] for line in page["lines"]] == expected
    assert all(line["tenant"] == "acme" for line in page["lines"])


async def test_pages_follow_each_other(http: httpx.AsyncClient, filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_READ", 2)
    monkeypatch.setattr(search, "PAGE", 2)
    boss, found, pages, cursor = bearer(await make_key(filled, "boss", roles=BOSS)), [], 0, ""
    while cursor is not None:
        asked = f"/v1/audit?type=key_revoked&limit=1{cursor}"
        page = (await http.get(asked, headers=boss)).json()
        found += [line["seq"] for line in page["lines"]]
        cursor = None if page["next"] is None else f"&cursor={page['next']}"
        pages += 1
    assert found == [8, 6, 4, 2]
    assert pages > 4, "a search does not look at everything at once"


async def test_nothing_of_another_tenant_is_read(http: httpx.AsyncClient, filled: Store) -> None:
    evil = bearer(await make_key(filled, "eve", "evil", roles=BOSS))
    user = bearer(await make_key(filled, "ada"))
    reading = bearer(await make_key(filled, "boss", roles=BOSS, scopes=frozenset({"read"})))
    for path in ("/v1/audit", "/v1/audit/export", "/v1/audit/heads"):
        for who, query in ((evil, "?tenant=acme"), (evil, "?tenant=-"), (user, ""), (reading, "")):
            check_problem(await http.get(path + query, headers=who), 403, "not_allowed")
        assert "acme" not in (await http.get(path, headers=evil)).text
    olga = bearer(await make_key(filled, "olga", "ops", roles=OLGA))
    assert len((await http.get("/v1/audit?tenant=evil", headers=olga)).json()["lines"]) == 2
    assert [head["tenant"] for head in (await http.get("/v1/audit/heads", headers=olga)).json()["heads"]] == [
        "-",
        "acme",
        "evil",
    ]
    assert [head["seq"] for head in (await http.get("/v1/audit/heads", headers=evil)).json()["heads"]] == [2]


async def test_an_export_is_what_the_store_has(
    http: httpx.AsyncClient, filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "PAGE", 4)
    boss = bearer(await make_key(filled, "boss", roles=BOSS))
    answer = await http.get("/v1/audit/export", headers=boss)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    kept = [line async for line in filled.audit.read_all("acme")]
    assert [parse_exported(text) for text in answer.content.splitlines()] == kept
    assert len((await http.get("/v1/audit/export?after=7", headers=boss)).content.splitlines()) == 2
    assert [orjson.loads(text)["hash"] for text in answer.content.splitlines()][-1] == (
        await http.get("/v1/audit/heads", headers=boss)
    ).json()["heads"][0]["hash"]


async def test_the_commands_ask_a_service(
    http: httpx.AsyncClient, filled: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAYLOGUE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RAYLOGUE_API_KEY", await make_key(filled, "boss", roles=BOSS))

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(
            CliRunner().invoke, application, ["audit", *arguments, "--url", str(http.base_url)]
        )

    found = await run("list", "--principal", "acme/ada", "--json", "-n", "2")
    assert [orjson.loads(line)["seq"] for line in found.stdout.splitlines()] == [9, 7]
    assert "✓ acme: lines 1 to 9" in (await run("verify")).stdout
    assert len((await run("export")).stdout.splitlines()) == 9
    assert orjson.loads((await run("heads")).stdout)["seq"] == 9
    refused = await run("verify", "--tenant", "evil")
    assert isinstance(refused.exception, CommandFailed)


async def test_what_was_tampered_with_is_shown_as_such(http: httpx.AsyncClient, filled: Store, redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        await redis.xadd(filled.keys.audit("acme").lines, {"d": b"no json"}, id="10-0")
    boss = bearer(await make_key(filled, "boss", roles=BOSS))
    newest = (await http.get("/v1/audit?limit=1", headers=boss)).json()["lines"][0]
    assert (newest["seq"], newest["type"]) == (10, "unreadable")


async def test_old_lines_go_and_the_ends_are_logged(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    logged = CapturingLogger()
    monkeypatch.setattr(audit_upkeep, "log", logged)
    now = now_ms()
    for days in (40, 31, 30, 1):
        event = AuditEvent(f"e{days}", "key_revoked", now - days * DAY_MS, "acme/ada")
        await store.audit.append("acme", [event], now - days * DAY_MS)
    upkeep = AuditUpkeep(store, Auditor(store.audit), RefusalCounts(), days=30)
    await upkeep.trim()
    await upkeep.trim()
    assert [line["type"] for line in await lines_of(store)] == ["key_revoked", "audit_trimmed"]
    assert (await verify_stored(store.audit, "acme")).is_whole
    head = await store.audit.head("acme")
    told_of = [(call.args[0], call.kwargs) for call in logged.calls]
    assert told_of == [
        ("audit_trimmed", {"tenant": "acme", "through": 3}),
        ("audit_head", {"tenant": "acme", "seq": 5, "hash": head.hash}),
    ]


async def test_a_replica_that_ends_writes_what_it_has_counted(store: Store) -> None:
    counts = RefusalCounts()
    counts.note(Refused("not_allowed", ADA), now_ms())
    await AuditUpkeep(store, Auditor(store.audit), counts, days=30).finish()
    assert [told(line) for line in await lines_of(store)] == [("refused", "acme/ada", "refused")]

"""Exports and imports over HTTP and by the commands: who may, what is answered, and what is refused."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from deployments.cli.main import application
from store import Scope, Store
from store.records import Parent
from tests.deployments.test_problems import check_problem
from tests.support.access_service import bearer, make_key
from tests.support.writer import NOW

Headers = Mapping[str, str]
NDJSON = {"Content-Type": "application/x-ndjson"}
RECORDS = (
    b'{"type":"user_msg","v":2,"at":5,"turn":1,"principal":"acme/ada","content":[{"type":"text","text":"hello"}]}',
    b'{"type":"assistant_msg","v":2,"at":6,"turn":1,"message_id":"m","step":1,"content":[{"type":"text","text":"hi"}]}',
    b'{"type":"turn_ended","v":2,"at":7,"turn":1,"outcome":"completed"}',
)
STATE = b'{"state":"idle","pending":{},"last_seq":3}'


@pytest.fixture(autouse=True)
async def source(store: Store) -> None:
    """A conversation of Ada's with a turn, a file and a member."""
    await store.registry.create("c", agent="assistant", principal="acme/ada", title="old", project="apollo", now=NOW)
    await store.projects.use("acme/apollo", "acme/ada")
    claim = await store.log.claim("c")
    await store.log.append(claim, RECORDS, expected_last_seq=0, state=STATE, due_at=None, now=NOW + 1)
    await store.files.write(Scope("conversation", "c"), "a.txt", b"x", expected_version=None, now=NOW)
    await store.members.set("c", "acme/vera", "viewer", NOW)


async def exported(http: httpx.AsyncClient, headers: Headers) -> bytes:
    answer = await http.get("/v1/conversations/c/export", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="c.jsonl"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    return answer.content


async def read_back(http: httpx.AsyncClient, content: bytes, headers: Headers, query: str = "") -> httpx.Response:
    return await http.post(f"/v1/import{query}", content=content, headers={**NDJSON, **headers})


async def test_it_comes_back_as_ones_own(http: httpx.AsyncClient, store: Store, ada: Headers) -> None:
    """Also to a viewer, who may read all of it; not the members, and not the project."""
    vera = bearer(await make_key(store, "vera"))
    content = await exported(http, vera)
    made = (await read_back(http, content, vera)).json()
    assert (made["owner"], made["title"], made["project"], made["last_seq"]) == ("acme/vera", "old", None, 3)
    assert (made["created_at"], made["updated_at"]) == (NOW, NOW + 1)
    assert made["imported_at"] > NOW
    assert (await store.registry.get(made["id"])).members == {}
    assert [record.data for record in await store.log.read(made["id"])] == list(RECORDS)
    check_problem(await http.get(f"/v1/conversations/{made['id']}", headers=ada), 404, "unknown_conversation")
    listed = (await http.get("/v1/conversations", headers=vera)).json()["conversations"]
    assert {one["id"] for one in listed} == {"c", made["id"]}


async def test_under_which_id(http: httpx.AsyncClient, ada: Headers) -> None:
    content = await exported(http, ada)
    assert (await read_back(http, content, ada, "?id=mine")).json()["id"] == "mine"
    for query in ("?id=mine", "?id=c", "?same_id=true"):
        check_problem(await read_back(http, content, ada, query), 409, "conversation_exists")
    check_problem(await read_back(http, content, ada, "?id=x&same_id=true"), 422, "invalid_request")
    check_problem(await read_back(http, content, ada, "?id=.."), 400, "invalid_conversation_id")


async def test_only_an_admin_keeps_the_owner(http: httpx.AsyncClient, store: Store, ada: Headers) -> None:
    content = await exported(http, ada)
    for user, tenant, roles in (("eve", "acme", {"user"}), ("boss", "evil", {"admin"})):
        other = bearer(await make_key(store, user, tenant, roles=frozenset(roles)))
        check_problem(await read_back(http, content, other, "?keep_owner=true"), 403, "not_allowed")
        check_problem(await http.get("/v1/conversations/c/export", headers=other), 404, "unknown_conversation")
        made = (await read_back(http, content, other)).json()
        assert (made["owner"], made["project"]) == (f"{tenant}/{user}", None)
    for user, tenant, role in (("ada", "acme", "user"), ("boss", "acme", "admin"), ("olga", "ops", "operator")):
        headers = bearer(await make_key(store, user, tenant, roles=frozenset({role})))
        made = (await read_back(http, content, headers, "?keep_owner=true")).json()
        assert (made["owner"], made["project"]) == ("acme/ada", "apollo")


async def test_what_is_no_such_file(http: httpx.AsyncClient, ada: Headers) -> None:
    content = await exported(http, ada)
    damaged = await read_back(http, content.replace(b"hello", b"hollo"), ada)
    check_problem(damaged, 422, "invalid_import")
    assert damaged.json()["line"] == 7
    check_problem(await read_back(http, content[: len(content) // 2], ada), 422, "invalid_import")
    check_problem(await read_back(http, b"", ada), 422, "invalid_import")
    wrong = await http.post("/v1/import", content=content, headers={**ada, "Content-Type": "application/json"})
    check_problem(wrong, 415, "unsupported_media_type")
    other = orjson.loads(content.splitlines()[1])
    other["conversation"]["agent"] = "nothing"
    lines = [content.splitlines()[0], orjson.dumps(other), *content.splitlines()[2:]]
    unknown = await read_back(http, b"\n".join(lines), ada)
    check_problem(unknown, 422, "invalid_import")
    assert unknown.json()["detail"] == "Line 2: there is no agent 'nothing' here."
    assert len((await http.get("/v1/conversations", headers=ada)).json()["conversations"]) == 1


async def test_an_upload_that_breaks_leaves_nothing(http: httpx.AsyncClient, store: Store, ada: Headers) -> None:
    content = await exported(http, ada)

    async def broken() -> object:
        yield content[:-100]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await http.post("/v1/import?id=mine", content=broken(), headers={**NDJSON, **ada})
    assert await store.registry.get_many(["mine"]) == []
    assert (await read_back(http, content, ada, "?id=mine")).status_code == 201


async def test_markdown_is_for_people(http: httpx.AsyncClient, store: Store, ada: Headers) -> None:
    parent = Parent("c", "k", "c", 1, 1)
    await store.registry.create("child", agent="assistant", principal="acme/ada", parent=parent, now=NOW)
    answer = await http.get("/v1/conversations/c/export?format=markdown", headers=ada)
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="c.md"'
    assert answer.text.startswith("# old\n\n- Conversation: `c`\n")
    assert "**acme/ada** · 1970-01-01 00:00:00 UTC\n\nhello\n\n**Assistant**" in answer.text
    assert "# Sub-agent: child" in answer.text
    check_problem(await http.get("/v1/conversations/c/export?format=pdf", headers=ada), 422, "invalid_request")


async def test_the_commands(
    http: httpx.AsyncClient, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYLOGUE_API_KEY", await make_key(store, "ada"))
    file, url = tmp_path / "c.jsonl", ["--url", str(http.base_url)]

    async def run(*words: str) -> tuple[int, str]:
        done = await asyncio.to_thread(CliRunner().invoke, application, [*words, *url])
        return done.exit_code, done.stdout.strip()

    assert await run("export", "c", "--out", str(file)) == (0, "")
    assert file.read_bytes().count(b"\n") == 7
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["c.jsonl"]
    assert (await run("export", "c", "--format", "markdown"))[1].startswith("# old")
    assert await run("import", str(file), "--id", "mine") == (0, "mine")
    assert await run("fork", "mine", "--seq", "2", "--id", "f") == (0, "f")
    assert (await store.registry.get("f")).forked_from == "mine"
    code, _ = await run("import", str(file), "--same-id")
    assert code == 1
    code, _ = await run("export", "nothing", "--out", str(tmp_path / "n"))
    assert (code, [path.name for path in tmp_path.iterdir()]) == (1, ["c.jsonl"])

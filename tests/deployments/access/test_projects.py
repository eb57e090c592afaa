"""Projects over HTTP: who may name one, who is in it, and who reads its files."""

import asyncio

import httpx
import pytest
from typer.testing import CliRunner

from agents.agent import Agent, Catalog
from agents.middleware.file_system import FileSystem
from agents.models import ScriptedModel
from deployments.access.principal import Role
from deployments.cli.main import application
from deployments.settings import Settings
from store import Scope, Store
from tests.deployments.test_problems import check_problem
from tests.support.access_service import bearer, make_key, serving

NEW = "/v1/conversations"
MEMBERS = "/v1/projects/apollo/members"


async def shown(store: Store, user: str, tenant: str = "acme", role: Role = "user") -> dict[str, str]:
    return dict(bearer(await make_key(store, user, tenant, roles=frozenset({role}))))


async def test_the_first_owns_it_and_others_do_not_find_it(http: httpx.AsyncClient, store: Store) -> None:
    ada, bob, boss = await shown(store, "ada"), await shown(store, "bob"), await shown(store, "boss", role="admin")
    made = await http.post(NEW, json={"project": "apollo"}, headers=ada)
    assert (made.status_code, made.json()["project"]) == (201, "apollo")
    before = await store.projects.members("acme/apollo")
    for stranger in (bob, boss):
        check_problem(await http.post(NEW, json={"project": "apollo"}, headers=stranger), 404, "unknown_project")
    assert await store.projects.members("acme/apollo") == before == {"acme/ada": "owner"}
    assert (await http.get(NEW, headers=bob)).json()["conversations"] == []
    check_problem(await http.get(MEMBERS, headers=bob), 404, "unknown_project")
    check_problem(await http.post(NEW, json={"project": "a/b"}, headers=ada), 422, "invalid_request")
    # Another tenant's project of that name is another project.
    evil = await shown(store, "ada", "evil")
    assert (await http.post(NEW, json={"project": "apollo"}, headers=evil)).status_code == 201
    assert await store.projects.members("evil/apollo") == {"evil/ada": "owner"}


async def test_members_come_and_go(http: httpx.AsyncClient, store: Store) -> None:
    ada, bob, boss = await shown(store, "ada"), await shown(store, "bob"), await shown(store, "boss", role="admin")
    olga = await shown(store, "olga", "ops", "operator")
    await http.post(NEW, json={"project": "apollo"}, headers=ada)
    for _ in range(2):
        added = await http.put(f"{MEMBERS}/acme/bob", headers=ada)
        assert (added.status_code, added.json()) == (200, {"principal": "acme/bob"})
    listed = {"project": "apollo", "owner": "acme/ada", "members": ["acme/bob"]}
    for reader, query in ((ada, ""), (bob, ""), (boss, ""), (olga, "?tenant=acme")):
        assert (await http.get(MEMBERS + query, headers=reader)).json() == listed
    check_problem(
        await http.get(f"{MEMBERS}?tenant=acme", headers=await shown(store, "x", "evil", "admin")),
        404,
        "unknown_project",
    )
    assert (await http.post(NEW, json={"project": "apollo"}, headers=bob)).status_code == 201
    check_problem(await http.put(f"{MEMBERS}/acme/cy", headers=bob), 403, "not_allowed")
    check_problem(await http.put(f"{MEMBERS}/evil/cy", headers=ada), 403, "not_allowed")
    check_problem(await http.delete(f"{MEMBERS}/acme/ada", headers=boss), 422, "invalid_request")
    assert (await http.delete(f"{MEMBERS}/acme/bob", headers=bob)).status_code == 204, "one may leave"
    lines = (await http.get("/v1/audit?type=project_member_removed", headers=boss)).json()["lines"]
    said = [(line["principal"], line["outcome"], line["data"]["project"], line["data"]["member"]) for line in lines]
    assert said == [("acme/bob", outcome, "acme/apollo", "acme/bob") for outcome in ("done", "begun")]
    check_problem(await http.post(NEW, json={"project": "apollo"}, headers=bob), 404, "unknown_project")


async def test_an_owner_hands_over_and_may_leave_then(http: httpx.AsyncClient, store: Store) -> None:
    ada, bob, boss = await shown(store, "ada"), await shown(store, "bob"), await shown(store, "boss", role="admin")
    await http.post(NEW, json={"project": "apollo"}, headers=ada)
    new, owner = {"principal": "acme/bob"}, "/v1/projects/apollo/owner"
    check_problem(await http.put(owner, json=new, headers=bob), 404, "unknown_project")
    check_problem(await http.put(owner, json=new, headers=ada), 422, "invalid_request")  # it is no member
    await http.put(f"{MEMBERS}/acme/bob", headers=ada)
    check_problem(await http.put(owner, json=new, headers=bob), 403, "not_allowed")
    for bad in ({}, {"principal": "a b"}, {"principal": "acme/bob", "role": "owner"}, {"principal": 1}):
        check_problem(await http.put(owner, json=bad, headers=ada), 422, "invalid_request")
    for _ in range(2):
        done = await http.put(owner, json=new, headers=ada)
        assert (done.status_code, done.json()) == (200, {"project": "apollo", "owner": "acme/bob"})
    assert await store.projects.members("acme/apollo") == {"acme/ada": "member", "acme/bob": "owner"}
    check_problem(await http.put(f"{MEMBERS}/acme/cy", headers=ada), 403, "not_allowed")
    assert (await http.delete(f"{MEMBERS}/acme/ada", headers=ada)).status_code == 204
    check_problem(await http.get(MEMBERS, headers=ada), 404, "unknown_project")
    check_problem(await http.delete(f"{MEMBERS}/acme/bob", headers=bob), 422, "invalid_request")
    await http.put(f"{MEMBERS}/acme/boss", headers=boss)  # an admin takes over what its owner has left behind
    assert (await http.put(owner, json={"principal": "acme/boss"}, headers=boss)).status_code == 200
    evil = await shown(store, "x", "evil", "admin")
    check_problem(await http.put(f"{owner}?tenant=acme", json=new, headers=evil), 404, "unknown_project")
    lines = (await http.get("/v1/audit?type=project_handed_over", headers=boss)).json()["lines"]
    said = [(line["principal"], line["outcome"], line["data"]["member"]) for line in reversed(lines)]
    assert [line for line in said if line[1] == "done"] == [
        ("acme/ada", "done", "acme/bob"),
        ("acme/boss", "done", "acme/boss"),
    ]
    assert {line[0] for line in said} == {"acme/ada", "acme/boss"}, "a refusal is no act"


async def test_a_project_never_loses_its_last_member(store: Store) -> None:
    """Else its files would be those of the next one who names it."""
    await store.projects.use("acme/apollo", "acme/ada")
    assert not await store.projects.remove("acme/apollo", "acme/ada")
    assert await store.projects.hand_over("acme/apollo", "acme/bob") is False
    assert await store.projects.hand_over("acme/soyuz", "acme/bob") is None
    assert await store.projects.use("acme/apollo", "acme/bob") is None
    assert await store.projects.members("acme/apollo") == {"acme/ada": "owner"}


async def test_the_commands(http: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYLOGUE_API_KEY", await make_key(store, "ada"))
    await store.projects.use("acme/apollo", "acme/ada")
    for command, expected in (
        (("add", "acme/bob"), "acme/bob is in apollo"),
        (("hand-over", "acme/bob"), "apollo belongs to acme/bob"),
        (("members",), "acme/bob\towner\nacme/ada\tmember\n"),
        (("remove", "acme/ada"), "acme/ada is not in apollo"),
    ):
        name, *further = command
        arguments = ["projects", name, "apollo", *further, "--url", str(http.base_url)]
        done = await asyncio.to_thread(CliRunner().invoke, application, arguments)
        assert (done.exit_code, expected in done.output) == (0, True), done.output
    assert await store.projects.members("acme/apollo") == {"acme/bob": "owner"}


def catalog(settings: Settings) -> Catalog:
    """What RAYLOGUE_AGENTS names: an agent that keeps files of its own, and of the project."""
    files = FileSystem({"": "conversation", "team": "project"})
    return Catalog([Agent(name="clerk", model=ScriptedModel([]), middleware=(files,))])


async def test_its_files_are_for_members_although_the_conversation_is_shared(store: Store) -> None:
    ada, bob, boss = await shown(store, "ada"), await shown(store, "bob"), await shown(store, "boss", role="admin")
    async with serving(store, Settings(auth="keys", agents=f"{__name__}:catalog")) as http:
        name = (await http.post(NEW, json={"project": "apollo"}, headers=ada)).json()["id"]
        await http.put(f"{NEW}/{name}/members/acme/bob", json={"role": "writer"}, headers=ada)
        await store.files.write(Scope("project", "acme/apollo"), "plan.md", b"moon", expected_version=None, now=1)
        address = f"{NEW}/{name}/files/team/plan.md"

        async def listed(reader: dict[str, str]) -> list[str]:
            found = (await http.get(f"{NEW}/{name}/files", headers=reader)).json()["files"]
            return [file["path"] for file in found]

        for reader in (ada, boss):
            assert (await http.get(address, headers=reader)).content == b"moon"
            assert await listed(reader) == ["team/plan.md"]
        check_problem(await http.get(address, headers=bob), 404, "unknown_file")
        written = await http.put(address, content=b"x", headers={**bob, "If-Match": '"1"'})
        check_problem(written, 404, "unknown_file")
        assert await listed(bob) == []
        await http.put(f"{MEMBERS}/acme/bob", headers=ada)
        assert (await http.get(address, headers=bob)).content == b"moon"
        without = (await http.post(NEW, json={}, headers=ada)).json()["id"]
        check_problem(await http.get(f"{NEW}/{without}/files/team/plan.md", headers=ada), 404, "unknown_file")
        forked = await http.post(f"{NEW}/{name}/fork", headers=bob)
        assert (forked.status_code, forked.json()["project"]) == (201, "apollo")
        await store.projects.remove("acme/apollo", "acme/bob")
        assert (await http.post(f"{NEW}/{name}/fork", headers=bob)).json()["project"] is None

"""Forks over HTTP: who may make one, of what, and what is answered."""

from collections.abc import Mapping

import httpx
import pytest

from agents.agent import Agent
from agents.models import ScriptedModel
from store import Store
from store.records import Parent
from tests.deployments.test_problems import check_problem
from tests.support.access_service import bearer, make_key
from tests.support.conversations import World
from tests.support.long_log import write_log
from tests.support.writer import NOW

Headers = Mapping[str, str]


@pytest.fixture(autouse=True)
async def source(world: World, store: Store) -> None:
    """A conversation of Ada's with two turns and a summary: seven records."""
    await write_log(world, Agent(name="assistant", model=ScriptedModel([])), "raw", turns=2, keep=1, words="hello")
    records = await store.log.read("raw")
    await store.registry.create("c", agent="assistant", principal="acme/ada", title="old", project="apollo", now=NOW)
    await store.projects.use("acme/apollo", "acme/ada")
    claim = await store.log.claim("c")
    state = b'{"state":"idle","pending":{},"last_seq":7}'
    data = [record.data for record in records]
    await store.log.append(claim, data, expected_last_seq=0, state=state, due_at=None, now=NOW, summary_seq=7)


async def test_a_fork_tells_what_it_is_of(http: httpx.AsyncClient, ada: Headers) -> None:
    whole = await http.post("/v1/conversations/c/fork", headers=ada)
    assert whole.status_code == 201
    made = whole.json()
    assert (made["forked_from"], made["last_seq"], made["title"]) == ({"id": "c", "seq": 7}, 7, "old")
    assert (made["owner"], made["channel"], made["project"]) == ("acme/ada", "api", "apollo")
    part = await http.post(
        "/v1/conversations/c/fork", json={"seq": 1, "id": "part", "title": "new", "channel": "web"}, headers=ada
    )
    assert part.json()["forked_from"] == {"id": "c", "seq": 3}
    assert (part.json()["id"], part.json()["title"], part.json()["channel"]) == ("part", "new", "web")
    listed = (await http.get("/v1/conversations", headers=ada)).json()["conversations"]
    assert {one["id"]: one["forked_from"] for one in listed} == {
        "c": None,
        "part": {"id": "c", "seq": 3},
        made["id"]: {"id": "c", "seq": 7},
    }
    events = (await http.get("/v1/conversations/part/events", headers=ada)).json()["events"]
    assert [event["conversation_id"] for event in events] == ["part"] * 3


async def test_the_same_request_is_one_fork(http: httpx.AsyncClient, ada: Headers) -> None:
    first = await http.post("/v1/conversations/c/fork", json={"seq": 3, "id": "f"}, headers=ada)
    again = await http.post("/v1/conversations/c/fork", json={"seq": 3, "id": "f"}, headers=ada)
    assert (again.status_code, again.json()) == (201, first.json())
    other = await http.post("/v1/conversations/c/fork", json={"seq": 6, "id": "f"}, headers=ada)
    check_problem(other, 409, "conversation_exists")


async def test_a_reader_may_fork_and_others_find_nothing(http: httpx.AsyncClient, store: Store) -> None:
    """A viewer can read all of it anyway; but the project's files, which an agent may write, stay with its members."""
    await store.projects.add("acme/apollo", "acme/will", 10)
    await store.members.set("c", "acme/vera", "viewer", NOW)
    await store.members.set("c", "acme/will", "writer", NOW)
    for user, project in (("vera", None), ("will", "apollo")):
        made = await http.post("/v1/conversations/c/fork", headers=bearer(await make_key(store, user)))
        assert made.status_code == 201
        assert (made.json()["owner"], made.json()["rights"]) == (f"acme/{user}", ["read", "write", "decide", "own"])
        assert made.json()["project"] == project
        members = await http.get(
            f"/v1/conversations/{made.json()['id']}/members", headers=bearer(await make_key(store, "ada"))
        )
        check_problem(members, 404, "unknown_conversation")
    stranger = await http.post("/v1/conversations/c/fork", headers=bearer(await make_key(store, "eve")))
    check_problem(stranger, 404, "unknown_conversation")
    reader = bearer(await make_key(store, "ada", scopes=frozenset({"read"})))
    check_problem(await http.post("/v1/conversations/c/fork", headers=reader), 403, "not_allowed")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"seq": 8}, 422, "invalid_request"),
        ({"seq": -1}, 422, "invalid_request"),
        ({"seq": "x"}, 422, "invalid_request"),
        ({"sequence": 1}, 422, "invalid_request"),
        ({"id": "../x"}, 400, "invalid_conversation_id"),
        ({"id": "c"}, 409, "conversation_exists"),
        ({"title": " "}, 422, "invalid_request"),
    ],
)
async def test_what_is_refused(
    http: httpx.AsyncClient, ada: Headers, body: Mapping[str, object], status: int, code: str
) -> None:
    check_problem(await http.post("/v1/conversations/c/fork", json=body, headers=ada), status, code)
    assert len((await http.get("/v1/conversations", headers=ada)).json()["conversations"]) == 1


async def test_a_sub_agents_conversation_is_no_root(http: httpx.AsyncClient, store: Store, ada: Headers) -> None:
    """By itself it would lack what its parent's agent forbids it. And a fork has no children of its source."""
    parent = Parent("c", "k", "c", 1, 1)
    await store.registry.create("child", agent="assistant", principal="acme/ada", parent=parent, now=NOW)
    check_problem(await http.post("/v1/conversations/child/fork", headers=ada), 422, "invalid_request")
    made = (await http.post("/v1/conversations/c/fork", headers=ada)).json()["id"]
    assert (await http.get(f"/v1/conversations/{made}/children", headers=ada)).json() == {"conversations": []}

"""Each route of the API by each kind of caller: what is answered, and that a refusal writes and tells nothing.

The routes are those of the OpenAPI document, so a new one fails here until the table says who may use it.
"""

import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal, NamedTuple

import httpx
import pytest

from agents.clock import now_ms
from deployments.access.principal import SCOPES, Role, Scope
from deployments.ingress.application import http_application
from store import Store
from tests.deployments.test_problems import check_problem
from tests.servers.contents import dump_contents
from tests.support.access_service import bearer, make_key
from tests.support.guarded_service import chosen, http, store
from tests.support.service import RunningService

__all__ = ["chosen", "http", "store"]

Kind = Literal[
    "public",
    "anyone",
    "read",
    "write",
    "decide",
    "own",
    "admin",
    "operator",
    "operator of it",
    "admin of acme",
    "copy",
    "reading",
    "writing",
    "deciding",
    "member of the project",
    "owner of the project",
]
"""What a route asks for: a right to its conversation (`copy`: to read it, and the scope to write), or a scope alone."""


class Route(NamedTuple):
    """Who may use it; and a body with which the answer is `status`, without a turn beginning."""

    kind: Kind
    status: int
    code: str = ""
    body: Mapping[str, Any] | None = None


CONVERSATION = "/v1/conversations/{conversation_id}"
PROJECT = "/v1/projects/{project}"
SCHEDULE = "/v1/schedules/{schedule_id}"
ROUTES: Mapping[str, Route] = {
    "GET /healthz": Route("public", 200),
    "GET /readyz": Route("public", 0),
    "GET /v1/info": Route("anyone", 200),
    "GET /v1/agents": Route("anyone", 200),
    "GET /v1/keys": Route("anyone", 200),
    "POST /v1/keys": Route("anyone", 422, "invalid_request", {"seconds": 0}),
    "DELETE /v1/keys/{key_id}": Route("anyone", 404, "unknown_key"),
    "GET /v1/limits": Route("anyone", 200),
    "GET /v1/limits/{subject}": Route("admin of acme", 200),
    "PUT /v1/limits/{subject}": Route("admin of acme", 422, "invalid_request", {"turns": -1}),
    "DELETE /v1/limits/{subject}": Route("admin of acme", 204),
    "POST /v1/session": Route("public", 403, "page_header_missing", {"key": "x"}),
    "GET /v1/session": Route("anyone", 200),
    "DELETE /v1/session": Route("anyone", 204),
    "GET /v1/jobs": Route("reading", 200),
    "GET /v1/jobs/{job_id}": Route("reading", 404, "unknown_job"),
    "POST /v1/jobs/{job_id}/cancel": Route("anyone", 404, "unknown_job"),
    "POST /v1/jobs/{job_id}/retry": Route("anyone", 404, "unknown_job"),
    "GET /v1/schedules": Route("reading", 200),
    "POST /v1/schedules": Route("writing", 422, "invalid_request", {"name": "x"}),
    "POST /v1/schedules/preview": Route("reading", 422, "invalid_request", {"every": 0}),
    f"GET {SCHEDULE}": Route("reading", 404, "unknown_schedule"),
    f"PATCH {SCHEDULE}": Route("anyone", 404, "unknown_schedule", {}),
    f"DELETE {SCHEDULE}": Route("anyone", 404, "unknown_schedule"),
    f"POST {SCHEDULE}/pause": Route("anyone", 404, "unknown_schedule"),
    f"POST {SCHEDULE}/resume": Route("anyone", 404, "unknown_schedule"),
    f"GET {SCHEDULE}/runs": Route("reading", 404, "unknown_schedule"),
    f"POST {SCHEDULE}/runs": Route("anyone", 404, "unknown_schedule"),
    f"GET {SCHEDULE}/runs/{{run_id}}": Route("reading", 404, "unknown_schedule"),
    f"POST {SCHEDULE}/runs/{{run_id}}/cancel": Route("anyone", 404, "unknown_schedule"),
    "GET /v1/job-failures": Route("reading", 200),
    "POST /v1/batch-files": Route("writing", 201, body={}),
    "GET /v1/batches": Route("reading", 200),
    "POST /v1/batches": Route("writing", 422, "invalid_request", {"agent": "assistant"}),
    "GET /v1/batches/{batch_id}": Route("anyone", 404, "unknown_batch"),
    "DELETE /v1/batches/{batch_id}": Route("anyone", 404, "unknown_batch"),
    "POST /v1/batches/{batch_id}/pause": Route("anyone", 404, "unknown_batch"),
    "POST /v1/batches/{batch_id}/resume": Route("anyone", 404, "unknown_batch"),
    "POST /v1/batches/{batch_id}/cancel": Route("anyone", 404, "unknown_batch"),
    "POST /v1/batches/{batch_id}/retry": Route("anyone", 404, "unknown_batch"),
    "GET /v1/batches/{batch_id}/failures": Route("anyone", 404, "unknown_batch"),
    "GET /v1/batches/{batch_id}/rows/{row}": Route("anyone", 404, "unknown_batch"),
    "GET /v1/batches/{batch_id}/results": Route("anyone", 404, "unknown_batch"),
    "GET /v1/replays": Route("reading", 200),
    "POST /v1/replays": Route("writing", 422, "invalid_request", {"where": "since=7d", "mode": "live"}),
    "GET /v1/replays/{replay_id}": Route("anyone", 404, "unknown_replay"),
    "DELETE /v1/replays/{replay_id}": Route("anyone", 404, "unknown_replay"),
    "GET /v1/replays/{replay_id}/results": Route("anyone", 404, "unknown_replay"),
    "GET /v1/replays/{replay_id}/summary": Route("anyone", 404, "unknown_replay"),
    "POST /v1/replays/{replay_id}/pause": Route("anyone", 404, "unknown_replay"),
    "POST /v1/replays/{replay_id}/resume": Route("anyone", 404, "unknown_replay"),
    "GET /v1/stuck": Route("operator", 200),
    "GET /v1/cluster/conversations": Route("operator", 200),
    "GET /v1/overview": Route("operator", 200),
    "GET /v1/feed/groups": Route("operator", 200),
    "GET /v1/audit": Route("admin", 200),
    "GET /v1/audit/export": Route("admin", 200),
    "GET /v1/audit/heads": Route("admin", 200),
    "GET /v1/memories": Route("reading", 200),
    "POST /v1/memories": Route("writing", 422, "invalid_request", {"text": ""}),
    "GET /v1/memories/{memory_id}": Route("reading", 404, "unknown_memory"),
    "PUT /v1/memories/{memory_id}": Route("writing", 404, "unknown_memory", {"text": "x"}),
    "DELETE /v1/memories/{memory_id}": Route("writing", 204),
    "DELETE /v1/memories": Route("writing", 422, "invalid_request"),
    "GET /v1/instructions": Route("reading", 200),
    "PUT /v1/instructions": Route("writing", 422, "invalid_request", {"text": "x"}),
    "GET /v1/preferences/approvals": Route("reading", 200),
    "GET /v1/preferences/approvals/{tool}": Route("reading", 200),
    "PUT /v1/preferences/approvals/{tool}": Route("deciding", 422, "invalid_request", {"approval": "auto"}),
    "GET /v1/feed": Route("reading", 200),
    "GET /v1/conversations": Route("reading", 200),
    "POST /v1/conversations": Route("writing", 422, "unknown_agent", {"agent": "nothing"}),
    f"GET {PROJECT}/members": Route("member of the project", 200),
    f"PUT {PROJECT}/members/{{principal}}": Route("owner of the project", 200),
    f"DELETE {PROJECT}/members/{{principal}}": Route("owner of the project", 204),
    f"PUT {PROJECT}/owner": Route("owner of the project", 422, "invalid_request", {"principal": "acme/nina"}),
    f"GET {CONVERSATION}": Route("read", 200),
    f"PATCH {CONVERSATION}": Route("own", 200, body={"title": "new"}),
    f"DELETE {CONVERSATION}": Route("own", 204),
    f"POST {CONVERSATION}/fork": Route("copy", 400, "invalid_conversation_id", {"id": "../"}),
    f"GET {CONVERSATION}/export": Route("read", 200),
    "POST /v1/import": Route("writing", 415, "unsupported_media_type", {}),
    f"GET {CONVERSATION}/events": Route("read", 200),
    f"GET {CONVERSATION}/children": Route("read", 200),
    f"GET {CONVERSATION}/files": Route("read", 200),
    f"GET {CONVERSATION}/files/{{path}}": Route("read", 404, "unknown_file"),
    f"PUT {CONVERSATION}/files/{{path}}": Route("write", 404, "unknown_file", {}),
    f"DELETE {CONVERSATION}/files/{{path}}": Route("write", 404, "unknown_file"),
    f"GET {CONVERSATION}/model_calls": Route("read", 200),
    f"GET {CONVERSATION}/members": Route("read", 200),
    f"PUT {CONVERSATION}/members/{{principal}}": Route("own", 200, body={"role": "viewer"}),
    f"DELETE {CONVERSATION}/members/{{principal}}": Route("own", 204),
    f"POST {CONVERSATION}/messages": Route("write", 422, "invalid_request", {}),
    f"POST {CONVERSATION}/cancel": Route("write", 409, "not_running"),
    f"POST {CONVERSATION}/resolutions": Route("decide", 422, "invalid_request", {}),
    f"GET {CONVERSATION}/turns/{{turn}}/trace": Route("read", 404, "unknown_turn"),
    f"POST {CONVERSATION}/turns/{{turn}}/drop": Route("write", 404, "unknown_turn"),
    f"DELETE {CONVERSATION}/turns/{{turn}}/drop": Route("write", 404, "unknown_turn"),
    f"POST {CONVERSATION}/abort": Route("operator of it", 409, "not_running"),
    f"POST {CONVERSATION}/release": Route("operator of it", 409, "not_running"),
}
RIGHTS = {
    "viewer": {"read"},
    "writer": {"read", "write"},
    "approver": {"read", "write", "decide"},
    "owner": {"read", "write", "decide", "own"},
    "admin": {"read", "write", "decide", "own"},
    "operator": {"read", "write", "decide", "own"},
    "owner who reads": {"read"},
    "owner who decides": {"decide"},
}
"""What each has to a conversation; others have nothing."""
SCOPED: Mapping[str, frozenset[Scope]] = {
    "owner who reads": frozenset({"read"}),
    "owner who decides": frozenset({"decide"}),
}
ADMINISTERING = {
    "admin": {"admin", "operator", "other tenant"},
    "admin of acme": {"admin", "operator"},
    "operator": {"operator"},
}
NEEDED = {"reading": "read", "writing": "write", "deciding": "decide"}
UNKNOWN = {
    "nothing": "credentials_missing",
    "malformed": "credentials_malformed",
    "expired": "credentials_expired",
    "revoked": "credentials_invalid",
}
PERSONS: Mapping[str, tuple[str, str, Role]] = {
    "other tenant": ("evil", "ada", "admin"),
    "other user": ("acme", "eve", "user"),
    "viewer": ("acme", "vera", "user"),
    "writer": ("acme", "will", "user"),
    "approver": ("acme", "anna", "user"),
    "owner": ("acme", "ada", "user"),
    "admin": ("acme", "boss", "admin"),
    "operator": ("ops", "olga", "operator"),
    "owner who reads": ("acme", "ada", "user"),
    "owner who decides": ("acme", "ada", "user"),
}
SECRET = "the-secret-title"


def expected(route: Route, person: str) -> tuple[int, str]:
    """Status and code; with 0 any status but a refusal."""
    if route.kind.endswith("of the project") and person not in UNKNOWN:
        return _of_project(route, person, SCOPED.get(person, SCOPES))
    return _of_conversation(route, person)


def _of_conversation(route: Route, person: str) -> tuple[int, str]:
    scopes, rights = SCOPED.get(person, SCOPES), RIGHTS.get(person, set())
    allowed = (route.status, route.code)
    if route.kind == "public":
        return allowed
    if person in UNKNOWN:
        return 401, UNKNOWN[person]
    match route.kind:
        case "anyone":
            return allowed
        case "admin" | "admin of acme" | "operator":
            return allowed if person in ADMINISTERING[route.kind] else (403, "not_allowed")
        case "reading" | "writing" | "deciding":
            return allowed if NEEDED[route.kind] in scopes else (403, "not_allowed")
        case "operator of it":
            is_allowed = person == "operator"
        case "copy":
            is_allowed = "read" in rights and "write" in scopes
        case _:
            is_allowed = route.kind in rights
    if is_allowed:
        return allowed
    return (403, "not_allowed") if "read" in rights else (404, "unknown_conversation")


def _of_project(route: Route, person: str, scopes: frozenset[Scope]) -> tuple[int, str]:
    """The project is Ada's, and the writer is a member."""
    is_reading = route.kind == "member of the project"
    if ("read" if is_reading else "write") not in scopes:
        return 403, "not_allowed"
    if person in ("owner", "owner who reads", "admin") or (is_reading and person == "writer"):
        return route.status, route.code
    return (403, "not_allowed") if person == "writer" else (404, "unknown_project")


@pytest.fixture(scope="module")
def documented() -> set[str]:
    paths = http_application().openapi()["paths"]
    return {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}


@pytest.fixture
async def credentials(store: Store) -> AsyncIterator[Mapping[str, Mapping[str, str]]]:
    """The header of each person."""
    texts = {
        person: await make_key(store, user, tenant, roles=frozenset({role}), scopes=SCOPED.get(person, SCOPES))
        for person, (tenant, user, role) in PERSONS.items()
    }
    texts["expired"] = await make_key(store, "ada", expires_at=now_ms() - 1)
    texts["revoked"] = await make_key(store, "ada")
    keys = {person: await store.api_keys.get(text.split("_")[1]) for person, text in texts.items()}
    await store.api_keys.remove(keys.pop("revoked"))
    shown = {person: bearer(text) for person, text in texts.items()}
    yield {"nothing": {}, "malformed": bearer("rl_nonsense"), **shown}
    for key in keys.values():
        await store.api_keys.remove(key)


async def test_every_route_is_in_the_table(documented: set[str]) -> None:
    assert documented == set(ROUTES)


@pytest.mark.parametrize("name", ROUTES)
async def test_who_gets_what(
    name: str,
    http: httpx.AsyncClient,
    store: Store,
    service: RunningService,
    credentials: Mapping[str, Mapping[str, str]],
) -> None:
    route = ROUTES[name]
    method, path = name.split(" ")
    shared = await _shared(store)
    address = path.format(
        conversation_id=shared,
        path="a",
        turn=1,
        tool="shell",
        key_id="aaaaaaaaaaaa",
        principal="acme/bob",
        project="apollo",
        subject="acme/bob",
        job_id="nothing",
        batch_id="nothing",
        row=1,
        schedule_id=32 * "0",
        memory_id=16 * "0",
        run_id="nothing",
        replay_id="0" * 32,
    )
    before = await dump_contents(service.redis.url, f"*{shared}*")
    try:
        for person in sorted({*credentials}, key=lambda who: expected(route, who)[0] == route.status):
            status, code = expected(route, person)
            if _is_refusal(code):
                response = await http.request(method, address, json=route.body, headers=credentials[person])
                check_problem(response, status, code)
                assert SECRET not in response.text
                assert await dump_contents(service.redis.url, f"*{shared}*") == before, person
        for person in credentials:
            status, code = expected(route, person)
            if not _is_refusal(code):
                own = await _shared(store) if name == f"DELETE {CONVERSATION}" else shared
                target = address.replace(shared, own)
                response = await http.request(method, target, json=route.body, headers=credentials[person])
                assert response.status_code == status or (status == 0 and response.status_code in (200, 503)), person
                if code:
                    check_problem(response, status, code)
    finally:
        await _delete(store, shared)


async def test_every_list_has_ones_own_and_what_is_shared(
    http: httpx.AsyncClient, store: Store, credentials: Mapping[str, Mapping[str, str]]
) -> None:
    shared = await _shared(store)
    try:
        for person in PERSONS:
            answer = await http.get("/v1/conversations?limit=200", headers=credentials[person])
            listed = {found["id"] for found in answer.json().get("conversations", ())}
            is_listed = person in ("owner", "viewer", "writer", "approver", "owner who reads")
            assert (shared in listed) == is_listed, person
    finally:
        await _delete(store, shared)


async def _shared(store: Store) -> str:
    """A new conversation of the owner's, with a member of each role."""
    name = f"shared-{uuid.uuid4().hex}"
    await store.registry.create(name, agent="assistant", principal="acme/ada", title=SECRET, now=now_ms())
    for user, role in (("vera", "viewer"), ("will", "writer"), ("anna", "approver")):
        await store.members.set(name, f"acme/{user}", role, now_ms())
    await store.projects.use("acme/apollo", "acme/ada")
    await store.projects.add("acme/apollo", "acme/will", 10)
    return name


async def _delete(store: Store, name: str) -> None:
    if await store.registry.get_many([name]):
        await store.registry.delete(name)


def _is_refusal(code: str) -> bool:
    return code in {*UNKNOWN.values(), "not_allowed", "unknown_conversation", "unknown_project"}

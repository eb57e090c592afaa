"""A stranger cannot tell what is there from what has never been, whatever is wrong with the rest of the request."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import httpx
import pytest

from deployments.ingress.application import http_application
from store import Store
from store.registries.jobs import JobRecord
from tests.support.access_service import bearer, make_key
from tests.support.writer import NOW

THERE = {"conversation_id": "plans", "project": "apollo", "job_id": "job1", "subject": "acme/ada"}
NOWHERE = {"conversation_id": "never", "project": "soyuz", "job_id": "job2", "subject": "acme/eve"}
FURTHER = {"path": "a.txt", "principal": "evil/eve", "turn": "1", "tool": "pay"}

BODIES: Sequence[tuple[str | None, bytes]] = [
    (None, b""),
    ("application/json", b"{}"),
    ("application/json", b"{"),
    ("application/json", b'{"role": "writer", "text": "hi", "on_busy": "steer", "decision": "approve"}'),
    ("application/json", b'{"principal": "evil/eve", "title": "mine", "seq": 0, "id": "never2"}'),
    ("text/plain", b"x" * 10_000),
]
QUERIES = [
    "",
    "?limit=-1",
    "?after=abc&before=-5&cursor=zzz",
    "?format=markdown",
    "?tenant=acme",
    "?tenant=evil&whose=all",
]
HEADERS: Sequence[Mapping[str, str]] = [
    {},
    {"Accept": "text/event-stream", "Last-Event-ID": "3"},
    {"If-Match": '"1"', "X-Raylogue-Page": "1", "X-HTTP-Method-Override": "DELETE"},
    {"If-Match": "*", "If-None-Match": "*"},
]


def routes() -> list[tuple[str, str, str]]:
    """Method, and the path for what is there, and for what is not."""
    found = []
    for path, operations in http_application().openapi()["paths"].items():
        if any(f"{{{name}}}" in path for name in THERE):
            there, nowhere = path.format(**THERE, **FURTHER), path.format(**NOWHERE, **FURTHER)
            found += [(method.upper(), there, nowhere) for method in operations]
    return found


@pytest.fixture
async def some(store: Store) -> None:
    await store.registry.create("plans", agent="assistant", principal="acme/ada", channel="web", title="x", now=NOW)
    await store.projects.use("acme/apollo", "acme/ada")
    await store.limits.set("acme/ada", {"turns": 3})
    job = JobRecord("job1", "note", "acme/ada", "normal", "waiting", b"{}", created_at=NOW, due_at=NOW)
    await store.jobs.add(job, now=NOW, kept_ms=10**9)


@pytest.mark.parametrize(("user", "tenant", "role"), [("eve", "evil", "admin"), ("bob", "acme", "user")])
@pytest.mark.usefixtures("some")
async def test_nothing_tells_whether_it_is_there(
    http: httpx.AsyncClient, store: Store, user: str, tenant: str, role: Any
) -> None:
    stranger = bearer(await make_key(store, user, tenant, roles=frozenset({role})))

    async def answer(method: str, path: str, content: tuple[str | None, bytes], headers: Mapping[str, str]) -> Any:
        kind, body = content
        given = {**stranger, **headers, **({} if kind is None else {"Content-Type": kind})}
        found = await http.request(method, path, content=body, headers=given)
        names = {name: value for name, value in found.headers.items() if name not in ("date", "content-length")}
        text = found.text
        for there, nowhere in zip(THERE.values(), NOWHERE.values(), strict=True):
            text = text.replace(nowhere, there)
        return found.status_code, names, text

    asked = 0
    for method, there, nowhere in routes():
        for body, query, headers in product(BODIES, QUERIES, HEADERS):
            if (BODIES.index(body) + 2 * QUERIES.index(query) + 3 * HEADERS.index(headers)) % 7:
                continue
            seen = await answer(method, there + query, body, headers)
            assert seen == await answer(method, nowhere + query, body, headers), (method, there + query, body, headers)
            assert seen[0] in (400, 403, 404, 405, 406, 411, 413, 415, 422), (method, there, seen)
            asked += 1
    assert asked > 150

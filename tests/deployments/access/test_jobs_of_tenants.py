"""The list of jobs by role: neither a page nor its cursor tells of a job that one may not see."""

import httpx
import pytest

from deployments.access.principal import Role
from store import Store
from store.registries.jobs import JobRecord
from tests.support.access_service import bearer, make_key

OWNERS = ("acme/ada", "evil/eve", "acme/bob", "evil/eve", "acme/ada", "evil/eve")


@pytest.mark.parametrize(
    ("user", "tenant", "role", "expected"),
    [
        ("ada", "acme", "user", "40"),
        ("boss", "acme", "admin", "420"),
        ("boss", "evil", "admin", "531"),
        ("carl", "acme", "user", ""),
        ("olga", "ops", "operator", "543210"),
    ],
)
async def test_who_sees_which(
    http: httpx.AsyncClient, store: Store, user: str, tenant: str, role: Role, expected: str
) -> None:
    for number, owner in enumerate(OWNERS):
        job = JobRecord(str(number), "write_note", owner, "normal", "waiting", b"{}", number, number)
        await store.jobs.add(job, now=number, kept_ms=1000)
    shown = bearer(await make_key(store, user, tenant, roles=frozenset({role})))
    found, cursor = "", None
    while True:
        params = {"whose": "all", "limit": 1, **({"cursor": cursor} if cursor else {})}
        page = (await http.get("/v1/jobs", params=params, headers=shown)).json()
        found += "".join(job["id"] for job in page["jobs"])
        if (cursor := page["next"]) is None:
            break
        assert cursor.partition(":")[2] == found[-1], "it names what was shown"
    assert found == expected

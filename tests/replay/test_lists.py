"""Replays are listed, one's own or the tenant's; and each has a page that sums it up, which can run nothing."""

from typing import Any

import httpx

from deployments.work.worker import JobWorker
from store import Store
from tests.replay.conftest import Past
from tests.replay.test_replays import ended, order
from tests.support.access_service import bearer, make_key


async def _listed(http: httpx.AsyncClient, key: str | None = None, **asked: Any) -> tuple[list[str], str | None]:
    headers = {} if key is None else bearer(key)
    found = (await http.get("/v1/replays", params=asked, headers=headers)).json()
    return [one["id"] for one in found["replays"]], found["next"]


async def test_one_s_own_are_listed_and_an_admin_sees_the_tenant_s(
    http: httpx.AsyncClient, past: Past, store: Store
) -> None:
    await past.talk("c", "hello")
    made = [(await order(http, "since=7d"))["id"] for _ in range(3)]
    first, cursor = await _listed(http, limit=2)
    rest, end = await _listed(http, limit=2, cursor=cursor)
    assert (sorted([*first, *rest]), len(first), end) == (sorted(made), 2, None)

    eve, admin = await make_key(store, "eve"), await make_key(store, "root", roles=frozenset({"admin"}))
    other = await make_key(store, "olga", tenant="other", roles=frozenset({"admin"}))
    assert await _listed(http, eve, whose="all") == ([], None)
    assert await _listed(http, other, whose="all") == ([], None)
    assert await _listed(http, admin) == ([], None)
    assert sorted((await _listed(http, admin, whose="all"))[0]) == sorted(made)

    await store.replays.remove(made[0], "acme/ada")
    assert sorted((await _listed(http))[0]) == sorted(made[1:])


async def test_the_summary_is_a_page_that_can_run_nothing(
    http: httpx.AsyncClient, past: Past, worker: JobWorker
) -> None:
    await past.talk("c", "<script>alert(1)</script>")
    made = await order(http, "since=7d", model="loud-1")
    await ended(http, made["id"])
    page = await http.get(f"/v1/replays/{made['id']}/summary")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["content-security-policy"].endswith("; sandbox")
    assert "1 compared, of 1 conversations" in page.text
    assert "<script" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text

"""Replays from the order to the results: over HTTP, by a worker, in the name of who has ordered them."""

from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from agents.clock import now_ms
from agents.errors import TaskLost
from deployments.settings import Settings
from deployments.work.client import JobClient
from deployments.work.job_type import JOB_TYPES
from deployments.work.jobs import replay as module
from deployments.work.worker import JobWorker
from store import Store
from store.registries.jobs import JobRecord
from tests.replay.conftest import Past, working
from tests.support.access_service import bearer, make_key
from tests.support.api import eventually
from tests.support.replay_agents import ASKED, WRITTEN


async def order(http: httpx.AsyncClient, where: str, **fields: Any) -> dict[str, Any]:
    made = await http.post("/v1/replays", json={"where": where, **fields})
    assert made.status_code == 202, made.text
    body: dict[str, Any] = made.json()
    return body


async def ended(http: httpx.AsyncClient, replay_id: str, state: str = "done") -> dict[str, Any]:
    async def over() -> dict[str, Any] | None:
        found: dict[str, Any] = (await http.get(f"/v1/replays/{replay_id}")).json()
        return found if found["state"] == state else None

    return await eventually(over, 60)


async def rows(http: httpx.AsyncClient, replay_id: str) -> list[dict[str, Any]]:
    found = await http.get(f"/v1/replays/{replay_id}/results")
    assert found.headers["content-type"] == "application/x-ndjson"
    return [httpx.Response(200, text=line).json() for line in found.text.splitlines()]


async def test_from_the_order_to_the_rows(
    http: httpx.AsyncClient, past: Past, worker: JobWorker, store: Store, settings: Settings
) -> None:
    await past.talk("one", "hello", "bye")
    await past.talk("two", "hello", agent="clerk")
    await past.talk("three", "hello")
    made = await order(http, "agent=echo since=7d", model="loud-1", judge="judge")
    assert (made["owner"], made["total"], made["order"]["mode"]) == ("acme/ada", 2, "forced")
    done = await ended(http, made["id"])

    assert (done["done"], done["error"], done["totals"]["verdicts"]) == (2, None, {"words": 3})
    assert done["totals"]["judge_wins"] == {"even": 3}
    found = await rows(http, made["id"])
    assert [(row["conversation"], row["turn"], row["old_text"], row["new_text"]) for row in found] == [
        ("three", 1, "you said hello", "YOU SAID HELLO"),
        ("one", 1, "you said hello", "YOU SAID HELLO"),
        ("one", 2, "you said bye", "YOU SAID BYE"),
    ]
    assert settings.redis_url is not None
    async with Redis.from_url(settings.redis_url) as client:
        left = [key async for key in client.scan_iter(match=f"{settings.prefix}-replay:*conversation*")]
        assert left == []
        kept = await client.ttl(store.keys.replay_results(made["id"]))
    assert 0 < kept <= 30 * 86_400

    assert (await http.delete(f"/v1/replays/{made['id']}")).status_code == 204
    assert (await http.get(f"/v1/replays/{made['id']}")).status_code == 404
    assert await store.replays.done(made["id"]) == set()


async def test_recorded_and_live_modes(http: httpx.AsyncClient, past: Past, worker: JobWorker) -> None:
    WRITTEN.clear()
    await past.talk("one", "a line", agent="clerk")
    recorded = await order(http, "id=one", mode="recorded")
    await ended(http, recorded["id"])
    assert WRITTEN == ["a line"], "the recording answered"
    refused = await http.post("/v1/replays", json={"where": "id=one", "mode": "live"})
    assert (refused.status_code, "run_tools" in refused.json()["detail"]) == (422, True)
    live = await order(http, "id=one", mode="live", run_tools=True)
    await ended(http, live["id"])
    assert WRITTEN == ["a line", "a line"]
    for one in (recorded, live):
        [row] = await rows(http, one["id"])
        assert (row["verdict"], row["step"], row["new_calls"][0]["result"]) == ("same", 0, "written")


async def test_one_replays_what_one_may_read(
    http: httpx.AsyncClient, past: Past, worker: JobWorker, store: Store
) -> None:
    await past.talk("mine", "a secret")
    await past.talk("theirs", "another secret", principal="acme/eve")
    await past.talk("elsewhere", "a foreign secret", principal="evil/ada")
    eve = bearer(await make_key(store, "eve"))
    boss = bearer(await make_key(store, "boss", roles=frozenset({"user", "admin"})))

    assert (await order(http, "since=7d"))["total"] == 1
    named = await http.post("/v1/replays", json={"where": "id=theirs"})
    missing = await http.post("/v1/replays", json={"where": "id=nothing"})
    assert (named.status_code, missing.status_code) == (404, 404)
    everything = await http.post("/v1/replays", json={"where": "whose=tenant since=7d"})
    assert (everything.status_code, everything.json()["type"]) == (403, "urn:raylogue:problem:not_allowed")

    asked = await http.post("/v1/replays", json={"where": "whose=tenant since=7d"}, headers=boss)
    made = asked.json()
    assert made["total"] == 2, "an admin's are those of the tenant"
    http.headers.update(boss)
    await ended(http, made["id"])
    assert {row["conversation"] for row in await rows(http, made["id"])} == {"mine", "theirs"}
    for method, path in (("GET", ""), ("GET", "/results"), ("POST", "/pause"), ("POST", "/resume"), ("DELETE", "")):
        answer = await http.request(method, f"/v1/replays/{made['id']}{path}", headers=eve)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:raylogue:problem:unknown_replay")


async def test_what_is_shared_no_more_when_its_turn_comes_is_left_out(
    http: httpx.AsyncClient, past: Past, store: Store, settings: Settings, jobs: JobClient
) -> None:
    await past.talk("shared", "a secret", principal="acme/eve")
    await past.talk("gone", "something")
    await past.talk("mine", "hello")
    await store.members.set("shared", "acme/ada", "viewer", now_ms())
    made = await order(http, "since=7d")
    assert made["total"] == 3
    await store.members.remove("shared", "acme/ada", now_ms())
    await store.registry.delete("gone")

    async with working(store, settings, jobs):
        await ended(http, made["id"])
    found = {row["conversation"]: (row["error"], row["old_text"]) for row in await rows(http, made["id"])}
    left_out = ("it is not there any more, or may not be read any more", None)
    assert found == {"shared": left_out, "gone": left_out, "mine": (None, "you said hello")}


async def test_a_replay_that_is_paused_goes_on_and_asks_nothing_twice(
    http: httpx.AsyncClient, past: Past, worker: JobWorker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ASKED.clear()
    for number in range(6):
        await past.talk(f"c{number}", f"hello {number}")
    monkeypatch.setattr(module, "TOGETHER", 2)
    stopped: list[str] = []
    run = module.replay_some

    def stop_after_the_first(replay_id: str, indexes: list[int]) -> int:
        if stopped:
            raise TaskLost("it was killed")
        stopped.append(replay_id)
        return run(replay_id, indexes)

    monkeypatch.setattr(module, "replay_some", stop_after_the_first)
    made = await order(http, "since=7d", model="loud-1")

    async def tried() -> JobRecord | None:
        job = await store.jobs.get(made["id"])
        return job if job is not None and job.error else None

    job = await eventually(tried)
    assert job.state == "waiting", "it is tried again"
    paused = (await http.post(f"/v1/replays/{made['id']}/pause")).json()
    assert (paused["state"], paused["done"]) == ("paused", 2)
    again = (await http.post(f"/v1/replays/{made['id']}/pause")).json()
    assert again["state"] == "paused"

    monkeypatch.setattr(module, "replay_some", run)
    resumed = (await http.post(f"/v1/replays/{made['id']}/resume")).json()
    assert resumed["job"] != made["job"]
    await ended(http, made["id"])
    assert dict(ASKED) == {f"hello {number}": 1 for number in range(6)}
    assert len(await rows(http, made["id"])) == 6


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"where": ""},
        {"where": "colour=red"},
        {"where": "since=7d", "model": "unheard-of"},
        {"where": "since=7d", "agent": "echo", "without_tools": ["unheard-of"]},
        {"where": "since=7d", "concurrency": 0},
        {"where": "since=7d", "extra": 1},
        {"where": "since=7d", "mode": "dreamt"},
    ],
)
async def test_an_order_that_cannot_be_done_is_refused_at_once(http: httpx.AsyncClient, body: dict[str, Any]) -> None:
    refused = await http.post("/v1/replays", json=body)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:raylogue:problem:invalid_request")


def test_the_job_is_known_and_yields_to_others() -> None:
    kind = JOB_TYPES["replay"]
    assert (kind.priority, kind.timeout) == ("low", 86_400)

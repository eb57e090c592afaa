"""Schedules over HTTP: made, changed, run and deleted by their owner; refused with a sentence; told to the owner."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from deployments.feed.consumers.people import People
from deployments.feed.consumers.schedules import ScheduledRuns
from deployments.schedules.client import ScheduleClient
from deployments.schedules.definition import Definition
from deployments.schedules.errors import TooManySchedules
from deployments.schedules.scheduler import Scheduler
from deployments.work import job_type
from tests.deployments.test_problems import check_problem
from tests.support.access_service import bearer, make_key
from tests.support.conversations import World, rest
from tests.support.feed import all_told

WANTED = {"name": "Report", "cron": "0 9 * * *", "zone": "Europe/Berlin", "prompt": "Report for {{date}}."}
NO_ID = 32 * "0"


async def make(http: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await http.post("/v1/schedules", json={**WANTED, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_it_is_made_once_seen_changed_paused_and_deleted(http: httpx.AsyncClient) -> None:
    made = await make(http, client_id="mine")
    assert (made["owner"], made["state"], len(made["next"]), made["overlap"]) == ("acme/ada", "active", 5, "skip")
    assert made["agent"] == "assistant", "the default agent is written down: another deployment may have another"
    assert (await make(http, client_id="mine"))["id"] == made["id"]
    second = await make(http)
    listed = (await http.get("/v1/schedules")).json()
    assert [one["id"] for one in listed["schedules"]] == [second["id"], made["id"]]
    page = (await http.get("/v1/schedules?limit=1")).json()
    rest_of_list = (await http.get(f"/v1/schedules?limit=1&cursor={page['next']}")).json()
    assert [one["id"] for one in (*page["schedules"], *rest_of_list["schedules"])] == [second["id"], made["id"]]

    path = f"/v1/schedules/{made['id']}"
    changed = (await http.patch(path, json={"cron": None, "every": 60, "overlap": "queue"})).json()
    assert (changed["cron"], changed["every"], changed["overlap"], changed["name"]) == (None, 60, "queue", "Report")
    assert changed["next"][1] - changed["next"][0] == 60_000
    paused = (await http.post(f"{path}/pause")).json()
    assert (paused["state"], paused["paused_by"], paused["next"]) == ("paused", "person", [])
    assert (await http.post(f"{path}/resume")).json()["state"] == "active"
    assert (await http.delete(path)).status_code == 204
    check_problem(await http.get(path), 404, "unknown_schedule")
    assert [one["id"] for one in (await http.get("/v1/schedules")).json()["schedules"]] == [second["id"]]


async def test_a_run_is_seen_to_its_end_and_its_owner_is_told(
    http: httpx.AsyncClient, scheduler: Scheduler, world: World
) -> None:
    await world.store.feed.register(["people", "schedules"], 0)
    opened = await world.store.personal_feeds.open("acme/ada")
    made = await make(http)
    path = f"/v1/schedules/{made['id']}"
    run = (await http.post(f"{path}/runs", json={"client_id": "once"})).json()
    assert (run["state"], run["cause"]) == ("starting", "person")
    assert (await http.post(f"{path}/runs", json={"client_id": "once"})).json()["id"] == run["id"]

    await scheduler.look()
    await scheduler.settle()
    started = (await http.get(f"{path}/runs/{run['id']}")).json()
    assert (started["state"], started["turn"]) == ("running", 1)
    await rest(world.doors.live[started["conversation"]])
    await ScheduledRuns(world.store).take(await all_told(world.store))
    await scheduler.look()
    await scheduler.settle()

    (over,) = (await http.get(f"{path}/runs")).json()["runs"]
    assert (over["id"], over["state"], over["conversation"]) == (run["id"], "succeeded", started["conversation"])
    assert over["result"]
    assert made["last"] is None
    assert (await http.get(path)).json()["last"] == {**over, "result": None}
    assert (await http.post(f"{path}/runs/{run['id']}/cancel")).json()["state"] == "succeeded"
    conversation = (await http.get(f"/v1/conversations/{over['conversation']}")).json()
    assert (conversation["channel"], conversation["owner"]) == ("scheduled", "acme/ada")
    await People(world.store).take(await all_told(world.store))
    events = (await http.get(f"/v1/feed?after={opened}")).json()["events"]
    kinds = [event["type"] for event in events if event.get("schedule_id") == made["id"]]
    assert kinds == ["schedule_changed", "schedule_run_started", "schedule_run_ended"]


async def test_a_quiet_run_is_not_told(http: httpx.AsyncClient, scheduler: Scheduler, world: World) -> None:
    await world.store.feed.register(["people"], 0)
    opened = await world.store.personal_feeds.open("acme/ada")
    made = await make(http)
    await http.post(f"/v1/schedules/{made['id']}/runs")
    await scheduler.look()
    await scheduler.settle()
    entries = await all_told(world.store)
    (started,) = [entry for entry in entries if entry.type == "schedule_run_started"]
    quiet = {**started.data, "outcome": "succeeded", "quiet": True}
    await People(world.store).take([replace(started, type="schedule_run_ended", data=quiet)])
    assert await world.store.personal_feeds.read("acme/ada", opened, 100) == []
    await People(world.store).take([replace(started, type="schedule_run_ended", data={**quiet, "quiet": False})])
    assert len(await world.store.personal_feeds.read("acme/ada", opened, 100) or []) == 1


MEANINGLESS: list[tuple[dict[str, Any], str]] = [
    ({"cron": "61 * * * *"}, "no cron expression"),
    ({"cron": "@sometimes"}, "is none of @yearly"),
    ({"zone": "Mars/Olympus"}, "no time zone"),
    ({"zone": "../../etc/passwd"}, "no name of a time zone"),
    ({"every": 60}, "either cron or every"),
    ({"cron": None}, "either cron or every"),
    ({"prompt": None}, "either a prompt or a job"),
    ({"job": "write_note"}, "either a prompt or a job"),
    ({"prompt": "  \u200b"}, "no visible character"),
    ({"prompt": "for {{day}}"}, "{{day}} stands for nothing"),
    ({"payload": {}}, "a payload goes with a job"),
    ({"agent": "assistant", "conversation": "c"}, "name one of the two"),
    ({"start": 2, "end": 1}, "it ends before it starts"),
    ({"overlap": "sometimes"}, "overlap"),
    ({"max_failures": -1}, "max_failures"),
    ({"colour": "red"}, "colour"),
    ({"every": 0, "cron": None}, "every"),
]


async def test_what_means_nothing_is_refused(http: httpx.AsyncClient) -> None:
    for fields, says in MEANINGLESS:
        body = {name: value for name, value in {**WANTED, **fields}.items() if value is not None}
        answer = await http.post("/v1/schedules", json=body)
        check_problem(answer, 422, "invalid_request")
        assert says in answer.json()["detail"]
    assert (await http.get("/v1/schedules")).json()["schedules"] == []


async def test_what_cannot_run_is_refused_when_it_is_written(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    check_problem(await http.post("/v1/schedules", json={**WANTED, "agent": "none"}), 422, "unknown_agent")
    check_problem(await http.post("/v1/schedules", json={**WANTED, "model": "none"}), 422, "unknown_model")
    check_problem(await http.post("/v1/schedules", json={**WANTED, "conversation": "no"}), 404, "unknown_conversation")
    await world.store.registry.create("theirs", agent="assistant", principal="acme/eve", now=0)
    answer = await http.post("/v1/schedules", json={**WANTED, "conversation": "theirs"})
    check_problem(answer, 404, "unknown_conversation")

    job = {"name": "Note", "every": 60, "job": "write_note", "payload": {"ledger": "/tmp/x"}}
    check_problem(await http.post("/v1/schedules", json=job), 422, "unknown_job_type")
    kind = job_type.JOB_TYPES["write_note"]
    monkeypatch.setitem(job_type.JOB_TYPES, "write_note", replace(kind, schedulable=True))
    assert (await http.post("/v1/schedules", json=job)).status_code == 201
    answer = await http.post("/v1/schedules", json={**job, "payload": {"ledger": "{{due.dat}}"}})
    check_problem(answer, 422, "invalid_request")
    answer = await http.post("/v1/schedules", json={**job, "payload": {"ledger": 7}})
    check_problem(answer, 422, "invalid_request")
    assert answer.json()["detail"].startswith("body.payload.ledger:")


async def test_an_operator_schedules_any_job_and_sees_all(http: httpx.AsyncClient, world: World) -> None:
    made = await make(http)
    boss = bearer(await make_key(world.store, "boss", roles=frozenset({"admin"})))
    olga = bearer(await make_key(world.store, "olga", "ops", roles=frozenset({"operator"})))
    evil = bearer(await make_key(world.store, "ada", "evil", roles=frozenset({"admin"})))
    job = {"name": "Note", "every": 60, "job": "write_note", "payload": {"ledger": "/tmp/x"}}
    assert (await http.post("/v1/schedules", json=job, headers=olga)).status_code == 201
    for headers, seen in ((boss, 1), (olga, 2), (evil, 0)):
        assert len((await http.get("/v1/schedules?whose=all", headers=headers)).json()["schedules"]) == seen
    path = f"/v1/schedules/{made['id']}"
    assert (await http.post(f"{path}/pause", headers=boss)).status_code == 200
    for method, where in (("GET", path), ("PATCH", path), ("DELETE", path), ("POST", f"{path}/runs")):
        check_problem(await http.request(method, where, headers=evil, json={}), 404, "unknown_schedule")
    reader = bearer(await make_key(world.store, scopes=frozenset({"read"})))
    assert (await http.get(path, headers=reader)).status_code == 200
    check_problem(await http.post(f"{path}/resume", headers=reader), 403, "not_allowed")


async def test_the_next_times_before_there_is_a_schedule(http: httpx.AsyncClient) -> None:
    """At the change to daylight-saving time 02:30 is left out in Berlin: it is then due at 03:00."""
    wanted = {"cron": "30 2 * * *", "zone": "Europe/Berlin", "start": 4078296000000}
    found = (await http.post("/v1/schedules/preview", json=wanted)).json()["next"]
    assert found[:3] == [4078344600000, 4078429200000, 4078513800000]
    check_problem(await http.post("/v1/schedules/preview", json={"cron": "x"}), 422, "invalid_request")


async def test_an_owner_has_so_many_schedules_at_most(world: World) -> None:
    client = ScheduleClient(world.store, most=2)
    definition = Definition(name="x", every=60, prompt="x")
    first, _ = [await client.create("ada", definition) for _ in range(2)]
    with pytest.raises(TooManySchedules):
        await client.create("ada", definition)
    await client.create("eve", definition)
    await client.delete(first.id, "ada")
    await client.create("ada", definition)

"""Jobs in the service: a worker starts because there is one to do; over HTTP they are seen, cancelled and repeated."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from deployments.access.principal import LOCAL
from deployments.settings import Settings
from deployments.work.client import JobClient
from deployments.work.queues import Queues
from store import Store
from tests.deployments.conftest import in_the_ingress
from tests.deployments.test_problems import check_problem
from tests.support.api import Api, eventually
from tests.support.job_types import Note
from tests.support.service import RunningService

pytestmark = [pytest.mark.ray, in_the_ingress]


@pytest.fixture
async def jobs(service: RunningService, store: Store) -> AsyncIterator[JobClient]:
    """As a part of the service submits them."""
    queues = Queues(Settings(redis_url=service.redis.url))
    yield JobClient(store, queues)
    await queues.aclose()


@pytest.fixture
async def http(service: RunningService) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        yield client


async def _job(http: httpx.AsyncClient, job_id: str, *states: str) -> dict[str, object] | None:
    job: dict[str, object] = (await http.get(f"/v1/jobs/{job_id}")).json()
    return job if job["state"] in states else None


async def test_a_worker_starts_when_there_is_a_job(
    api: Api, jobs: JobClient, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    first = await jobs.submit("write_note", Note(ledger=ledger, text="one"), owner=LOCAL.id)
    done = await eventually(lambda: _job(http, first, "succeeded"))
    heavy = await jobs.submit("write_heavily", Note(ledger=ledger, text="two"), owner=LOCAL.id)
    await eventually(lambda: _job(http, heavy, "succeeded"))
    assert (done["result"], "claim" in done) == ({"lines": 1}, False)
    assert ledger.read_text() == "one\ntwo\n"

    slow = await jobs.submit("write_slowly", Note(ledger=ledger, seconds=600), owner=LOCAL.id)
    running = await eventually(lambda: _job(http, slow, "running"))
    check_problem(await http.post(f"/v1/jobs/{slow}/retry"), 409, "job_open")
    cancelled = (await http.post(f"/v1/jobs/{slow}/cancel")).json()
    assert (running["attempts"], cancelled["state"]) == (1, "cancelled")
    assert (await http.post(f"/v1/jobs/{slow}/cancel")).json()["state"] == "cancelled"
    check_problem(await http.post(f"/v1/jobs/{first}/cancel"), 409, "job_over")

    again = await http.post(f"/v1/jobs/{first}/retry")
    assert again.status_code == 202
    await eventually(lambda: _job(http, again.json()["id"], "succeeded"))
    listed = (await http.get("/v1/jobs", params={"type": "write_note", "limit": 200})).json()["jobs"]
    assert [job["id"] for job in listed][:2] == [again.json()["id"], first]


async def test_a_failure_is_in_the_audit(api: Api, jobs: JobClient, http: httpx.AsyncClient, tmp_path: Path) -> None:
    note = Note(ledger=tmp_path / "ledger", mood="hopeless")
    job_id = await jobs.submit("write_note", note, owner=LOCAL.id, conversation="c-77")
    await eventually(lambda: _job(http, job_id, "failed"))

    found = (await http.get("/v1/job-failures", params={"conversation": "c-77"})).json()["failures"]

    assert [(entry["job"], entry["error"]) for entry in found] == [(job_id, "there is no such note")]
    assert (await http.get("/v1/job-failures", params={"conversation": "c-78"})).json() == {"failures": []}

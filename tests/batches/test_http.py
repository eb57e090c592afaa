"""Batches over HTTP and from the command line: upload, begin, watch, fetch; and what is another's is not there."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pandas
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from typer.testing import CliRunner

from deployments.cli.main import application
from deployments.settings import Settings
from tests.support.access_service import bearer, make_key, serving
from tests.support.api import eventually
from tests.support.batches import BatchWorld

ROWS = b'{"message": "a"}\n{"message": "b"}\nnothing\n'


@pytest.fixture
async def http(world: BatchWorld, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    served = settings.model_copy(update={"auth": "keys", "agents": "tests.support.batches:catalog"})
    async with serving(world.store, served) as client:
        client.headers.update(bearer(await make_key(world.store)))
        yield client


async def _is(http: httpx.AsyncClient, batch_id: str, state: str) -> dict[str, Any]:
    async def found() -> dict[str, Any] | None:
        body: dict[str, Any] = (await http.get(f"/v1/batches/{batch_id}")).json()
        return body if body["state"] == state else None

    return await eventually(found, 60)


async def _begin(http: httpx.AsyncClient, rows: bytes, **options: Any) -> dict[str, Any]:
    uploaded = await http.post("/v1/batch-files", content=rows)
    assert uploaded.status_code == 201
    assert uploaded.json()["bytes"] == len(rows)
    made = await http.post("/v1/batches", json={"agent": "echo", "file": uploaded.json()["id"], **options})
    assert made.status_code == 201, made.text
    body: dict[str, Any] = made.json()
    return body


async def test_from_the_upload_to_the_results(http: httpx.AsyncClient, world: BatchWorld) -> None:
    made = await _begin(http, ROWS, name="three rows")
    assert (made["state"], made["owner"], made["definition"]["name"]) == ("queued", "acme/ada", "three rows")
    done = await _is(http, made["id"], "done")
    assert (done["total"], done["succeeded"], done["failed"], done["requested"]) == (3, 2, 1, None)
    assert (await http.get(f"/v1/batches/{made['id']}/failures")).json() == {
        "failures": [
            {
                "row": 3,
                "conversation_id": None,
                "error": "not_valid: it is not JSON: invalid literal, expected 'null' at character 1",
            }
        ],
        "waiting": [],
    }
    first = (await http.get(f"/v1/batches/{made['id']}/rows/1")).json()
    assert (first["status"], first["answer"], first["conversation_id"]) == (
        "succeeded",
        "you said a",
        f"batch-{made['id']}-1",
    )
    third = (await http.get(f"/v1/batches/{made['id']}/rows/3")).json()
    assert (third["status"], third["conversation_id"]) == ("not_valid", None)
    fourth = await http.get(f"/v1/batches/{made['id']}/rows/4")
    assert (fourth.status_code, fourth.json()["type"]) == (404, "urn:raylogue:problem:unknown_row")
    lines = await http.get(f"/v1/batches/{made['id']}/results")
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert [found["answer"] for found in map(orjson.loads, lines.text.splitlines())][:2] == ["you said a", "you said b"]
    parquet = await http.get(f"/v1/batches/{made['id']}/results?format=parquet")
    assert pq.read_table(io.BytesIO(parquet.content))["row"].to_pylist() == [1, 2, 3]
    listed = (await http.get("/v1/batches")).json()
    assert [one["id"] for one in listed["batches"]] == [made["id"]]
    assert (await http.get("/v1/batches?state=failed")).json() == {"batches": [], "next": None}
    assert (await http.delete(f"/v1/batches/{made['id']}")).status_code == 204
    assert (await http.get(f"/v1/batches/{made['id']}")).status_code == 404


async def test_what_is_anothers_is_not_there(http: httpx.AsyncClient, world: BatchWorld) -> None:
    made = await _begin(http, ROWS)
    await _is(http, made["id"], "done")
    eve = bearer(await make_key(world.store, "eve"))
    for method, path in (
        ("GET", ""),
        ("GET", "/failures"),
        ("GET", "/results"),
        ("GET", "/rows/1"),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("DELETE", ""),
    ):
        answer = await http.request(method, f"/v1/batches/{made['id']}{path}", headers=eve)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:raylogue:problem:unknown_batch"), path
    assert (await http.get("/v1/batches?whose=all", headers=eve)).json() == {"batches": [], "next": None}
    stolen = {"agent": "echo", "file": made["definition"]["file"]}
    answer = await http.post("/v1/batches", json=stolen, headers=eve)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:raylogue:problem:unknown_batch_file")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"agent": "nothing", "source": "https://example.org/rows"}, "unknown_agent"),
        ({"agent": "echo", "source": "file:///etc/passwd"}, "forbidden_url"),
        ({"agent": "echo", "source": "simplecache::https://example.org/rows"}, "forbidden_url"),
        ({"agent": "echo", "source": "s3://bucket/rows"}, "forbidden_url"),
        ({"agent": "echo", "source": "https://example.org/rows", "out": "/tmp/x"}, "forbidden_url"),
        ({"agent": "clerk", "source": "https://example.org/rows", "provider_batch": True}, "not_for_provider_batches"),
        ({"agent": "echo"}, "invalid_request"),
    ],
)
async def test_what_is_refused(http: httpx.AsyncClient, body: dict[str, Any], code: str) -> None:
    answer = await http.post("/v1/batches", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, f"urn:raylogue:problem:{code}")


async def test_pause_and_resume_are_answered(http: httpx.AsyncClient) -> None:
    made = await _begin(http, b'{"message": "x"}\n' * 300, concurrency=1)
    assert (await http.post(f"/v1/batches/{made['id']}/pause")).status_code == 202
    assert (await http.get(f"/v1/batches/{made['id']}/results")).status_code == 409
    await _is(http, made["id"], "paused")
    assert (await http.post(f"/v1/batches/{made['id']}/resume")).status_code == 202
    assert (await http.post(f"/v1/batches/{made['id']}/cancel")).status_code == 202
    await _is(http, made["id"], "cancelled")
    again = await http.post(f"/v1/batches/{made['id']}/resume")
    assert (again.status_code, again.json()["state"]) == (409, "cancelled")


async def test_an_address_of_our_own_network_is_not_read(http: httpx.AsyncClient, world: BatchWorld) -> None:
    # It is a web address, so it is only known when it is opened where it leads.
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"):
        source = f"http://{host}:{http.base_url.port}/healthz"
        made = await http.post("/v1/batches", json={"agent": "echo", "source": source})
        failed = await world.until(made.json()["id"], "failed")
        assert "cannot be read" in failed.error, host


async def test_the_command_line(http: httpx.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(ROWS)
    key = http.headers["authorization"].removeprefix("Bearer ")

    async def run(*words: str) -> Result:
        given = ["batch", *words, "--url", str(http.base_url)]
        environment = {"RAYLOGUE_API_KEY": key, "COLUMNS": "200"}
        return await asyncio.to_thread(CliRunner().invoke, application, given, env=environment)

    out = tmp_path / "out"
    ran = await run(
        "run", str(tmp_path / "rows.jsonl"), "--agent", "echo", "--template", "say {{message}}", "--out", str(out)
    )
    assert ran.exit_code == 0, ran.output
    assert "2 rows succeeded, 1 failed" in ran.stderr
    assert pandas.read_parquet(out / "results.parquet")["answer"].tolist()[0] == "you said say a"
    batch_id = ran.stdout.split()[0]
    assert batch_id in (await run("list")).stdout
    assert '"row": 3' in (await run("failures", batch_id)).stdout
    assert orjson.loads((await run("row", batch_id, "2")).stdout)["answer"] == "you said say b"
    assert "wrong_batch_state" in str((await run("pause", batch_id)).exception)
    assert "cannot be read" in str((await run("run", "/no/such/file", "--agent", "echo", "--detach")).exception)

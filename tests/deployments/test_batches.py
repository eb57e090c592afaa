"""A batch in the service: on its hosts, through its door, driven by its worker; Ray Data reads the result."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import ray.data

from deployments.access.principal import LOCAL
from tests.deployments.conftest import in_the_ingress
from tests.support.api import Api, eventually
from tests.support.service import RunningService

pytestmark = [pytest.mark.ray, in_the_ingress]

ROWS = b"".join(b'{"text": "row %d"}\n' % number for number in range(1, 31))


async def test_rows_in_and_a_table_for_ray_out(api: Api, service: RunningService, tmp_path: Path) -> None:
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as http:
        file = (await http.post("/v1/batch-files", content=ROWS)).raise_for_status().json()["id"]
        wanted = {"agent": "assistant", "file": file, "template": "say {{text}}", "conversations": "archive"}
        batch = (await http.post("/v1/batches", json=wanted)).raise_for_status().json()

        async def over() -> dict[str, Any] | None:
            found: dict[str, Any] = (await http.get(f"/v1/batches/{batch['id']}")).json()
            return found if found["state"] == "done" else None

        done = await eventually(over, 120)
        results = await http.get(f"/v1/batches/{batch['id']}/results?format=parquet")
        first = (await http.get(f"/v1/conversations/batch-{batch['id']}-1")).json()
    assert (done["total"], done["succeeded"], done["failed"], done["owner"]) == (30, 30, 0, LOCAL.id)
    assert (first["channel"], first["archived"]) == ("batch", True)
    assert first["place"].startswith("host:")
    (tmp_path / "results.parquet").write_bytes(results.content)
    with service.connected_ray():
        rows = ray.data.read_parquet(str(tmp_path / "results.parquet")).take_all()
    assert [row["row"] for row in rows] == list(range(1, 31))
    assert all(row["status"] == "succeeded" and row["answer"] for row in rows)

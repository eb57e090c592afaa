"""The code on docs/batches.md does what the page says."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import orjson

from deployments.settings import Settings
from tests.support.access_service import bearer, make_key, serving
from tests.support.batches import BatchWorld

PAGE = Path(__file__).parents[2] / "docs" / "batches.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


async def test_the_code_on_the_page(world: BatchWorld, settings: Settings) -> None:
    namespace: dict[str, Any] = {"__name__": "docs_batches"}
    for code in BLOCK.findall(PAGE.read_text()):
        exec(code, namespace)
    served = settings.model_copy(update={"auth": "keys", "agents": "tests.support.batches:catalog"})
    async with serving(world.store, served) as client:
        headers = bearer(await make_key(world.store))
        with httpx.Client(base_url=client.base_url, headers=headers) as http:
            rows = b'{"message": "a"}\n{"message": "b"}\n'
            text = await asyncio.to_thread(namespace["run_batch"], http, rows, "echo")
        (batch,) = (await client.get("/v1/batches", headers=headers)).json()["batches"]
    assert [orjson.loads(line)["answer"] for line in text.splitlines()] == ["you said a", "you said b"]
    table = namespace["read"](world.batches.files.results(batch["id"]))
    assert table["status"].tolist() == ["succeeded", "succeeded"]

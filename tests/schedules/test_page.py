"""The code on docs/schedules.md does what the page says, and the page names every field."""

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.schedules.definition import Definition
from deployments.schedules.scheduler import Scheduler
from tests.support.access_service import bearer, make_key
from tests.support.conversations import World

PAGE = Path(__file__).parents[2] / "docs" / "schedules.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| (`\w+`(?:, `\w+`)*) \|", re.MULTILINE)


async def test_the_code_on_the_page_runs(
    http: httpx.AsyncClient, scheduler: Scheduler, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    running = asyncio.create_task(scheduler.run())
    headers = bearer(await make_key(world.store))
    namespace: dict[str, Any] = {"url": str(http.base_url), "headers": headers, "asyncio": asyncio}
    for code in BLOCK.findall(PAGE.read_text()):
        coroutine = eval(compile(code, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), namespace)
        if inspect.isawaitable(coroutine):
            await coroutine
    running.cancel()
    await asyncio.wait({running})
    await namespace["api"].aclose()
    assert "succeeded" in capsys.readouterr().out
    assert (await http.get("/v1/schedules")).json()["schedules"] == []


def test_the_page_names_every_field() -> None:
    named = [name for row in ROW.findall(PAGE.read_text()) for name in re.findall(r"\w+", row)]
    assert sorted(named) == sorted(Definition.model_fields)

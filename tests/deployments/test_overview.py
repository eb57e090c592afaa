"""The cluster at a glance, asked of hosts that run: what turns came to is there, by the API and by the command."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from deployments.cli.main import application
from deployments.overview.recent import SLOTS
from deployments.routing.placement import actor_name
from tests.support.api import Api, eventually
from tests.support.service import RunningService

pytestmark = pytest.mark.ray


async def overview(api: Api) -> dict[str, Any]:
    answer = await api.http.get("/v1/overview", timeout=60)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def watch(url: str, words: bytes) -> int:
    """Run `raylogue top` in a terminal until it has shown these words twice, then press Ctrl-C; its exit code."""
    terminal, inside = pty.openpty()
    command = [Path(sys.executable).with_name("raylogue"), "top", "--url", url, "--interval", "0.5"]
    process = subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside, start_new_session=True)
    os.close(inside)
    shown = b""
    try:
        while shown.count(words) < 2:
            shown += os.read(terminal, 65536)
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # a terminal that no process has open any more
            while os.read(terminal, 65536):
                pass
        return process.wait(60)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def completed(seen: Mapping[str, Any]) -> int:
    return sum(seen["series"]["outcomes"]["completed"])


async def test_what_turns_come_to_is_seen(api: Api, service: RunningService, placement: str) -> None:
    before = await overview(api)
    conversation_id = await api.create("worker")
    async with api.speaking(conversation_id, "wait: here") as stream:
        await stream.until("tool_progress")
        place = (await api.show(conversation_id))["place"]
        assert (place == actor_name(conversation_id)) == (placement == "dedicated")

        async def is_counted() -> dict[str, Any] | None:
            seen = await overview(api)
            return seen if seen["conversations"]["states"].get("executing_tools", 0) >= 1 else None

        seen = await eventually(is_counted)
        await api.post(conversation_id, "cancel")
    await api.rest(conversation_id)
    assert seen["at"] > before["at"]
    assert seen["conversations"]["live"] >= seen["conversations"]["working"] >= 1
    [node] = seen["nodes"]
    assert (node["head"], node["draining"]) == (True, False)
    assert node["cores"] > 0
    assert 0 <= node["processor"] <= 1
    assert 0 < node["memory_used"] < node["memory_size"]
    assert node["actors"] >= node["hosts"] + node["dedicated"]
    assert node["hosts"] == len(seen["hosts"])
    assert seen["dedicated"]["live"] >= (placement == "dedicated")
    assert all(host["answers"] and host["node"] == node["id"] for host in seen["hosts"])

    await api.turn(conversation_id, "hello")

    async def is_in_the_series() -> dict[str, Any] | None:
        seen = await overview(api)
        return seen if completed(seen) > completed(before) and sum(seen["series"]["outcomes"]["cancelled"]) else None

    seen = await eventually(is_in_the_series)
    assert {len(series) for series in (seen["series"]["began_at"], seen["series"]["turn_p50"])} == {SLOTS}
    turns = seen["turns"]
    assert 0 < turns["turn_ms"]["p50"] <= turns["turn_ms"]["p99"]
    assert 0 < turns["first_token_ms"]["p50"] <= turns["first_token_ms"]["p99"]
    assert turns["per_second"] == sum(turns["outcomes"].values()) / seen["seconds"]
    assert seen["usage"]["tokens"] > 0

    run = partial(asyncio.to_thread, CliRunner().invoke, application)
    told = await run(["top", "--url", service.url, "--json"])
    assert orjson.loads(told.stdout).keys() == seen.keys()
    shown = await run(["top", "--url", service.url])
    assert f"{node['id'][:12]} head" in shown.stdout
    assert " completed, " in shown.stdout
    assert await asyncio.to_thread(watch, service.url, b"First token") == 0

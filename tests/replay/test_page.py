"""The code on docs/replay.md does what the page says; that for Ray Data is run with a cluster, elsewhere."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx

from agents.models import ScriptedModel
from deployments.process.store import connect_store
from deployments.replay.where import MAX_CONVERSATIONS, SEVERAL, SINGLE, TIMES
from deployments.settings import Settings
from deployments.work.worker import JobWorker
from store import Store
from tests.replay.conftest import Past
from tests.support.replay_agents import catalog, echo

PAGE = Path(__file__).parents[2] / "docs" / "replay.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def code(name: str) -> dict[str, Any]:
    """What the block that defines this function defines."""
    [block] = [block for block in BLOCK.findall(PAGE.read_text()) if f"def {name}(" in block]
    namespace: dict[str, Any] = {"__name__": "docs_replay"}
    exec(block, namespace)
    return namespace


async def test_the_loop_over_http(http: httpx.AsyncClient, past: Past, worker: JobWorker) -> None:
    await past.talk("one", "hello")
    with httpx.Client(base_url=http.base_url, headers=http.headers) as client:
        lines = await asyncio.to_thread(code("replay")["replay"], client, "since=7d", model="loud-1")
    assert [json.loads(line)["new_text"] for line in lines] == ["YOU SAID HELLO"]


async def test_the_engine_without_a_service(past: Past, store: Store, settings: Settings) -> None:
    await past.talk("one", "hello", "bye")
    apart = connect_store(settings, apart="replay")
    same_words = code("same_words")["same_words"]
    assert await same_words(store, apart, catalog(settings), "one", ScriptedModel(echo)) == [True, True]
    await apart.aclose()


def test_the_page_names_all_that_conversations_are_chosen_by() -> None:
    named = set(re.findall(r"`([a-z_]+)`", PAGE.read_text()))
    assert {*TIMES, *SEVERAL, *(SINGLE - {"text_in"}), "id", "limit"} <= named
    assert f"{MAX_CONVERSATIONS:,}" in PAGE.read_text()

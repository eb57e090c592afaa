"""The code in docs/sessions.md does what the page says: every block is run, top to bottom, against the application."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from store import Store
from tests.deployments.copies.test_files import RECORDS, STATE
from tests.house.test_docs_run import DOCS, blocks
from tests.support.access_service import make_key
from tests.support.writer import NOW


async def test_the_code_on_the_page_runs(http: httpx.AsyncClient, store: Store, ada: Mapping[str, str]) -> None:
    await store.registry.create("plans", agent="assistant", principal="acme/ada", now=NOW)
    claim = await store.log.claim("plans")
    await store.log.append(claim, RECORDS, expected_last_seq=0, state=STATE, due_at=None, now=NOW)
    namespace: dict[str, Any] = {"url": str(http.base_url), "key": await make_key(store)}
    found = list(blocks(DOCS / "sessions.md"))
    assert len(found) >= 2
    for line, code in found:
        await asyncio.to_thread(exec, compile("\n" * line + code, "docs/sessions.md", "exec"), namespace)

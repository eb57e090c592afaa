"""What a replay that was killed has left is deleted when it cannot be taken up again, and not before."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from agents.clock import now_ms
from agents.replay.replay import replayed_id
from deployments.background import left_work
from deployments.background.left_work import YOUNG_MS, delete_left
from deployments.process.store import connect_store
from deployments.replay.run_some import APART
from deployments.settings import Settings
from store import Store
from store.registries.lists import ALL
from tests.replay.conftest import Past
from tests.replay.test_replays import order


@pytest.fixture
async def apart(settings: Settings) -> AsyncIterator[Store]:
    store = connect_store(settings, apart=APART)
    yield store
    await store.aclose()


async def _leave(apart: Store, conversation_id: str) -> None:
    """As a task does that is killed before its end."""
    await apart.registry.create(conversation_id, agent="echo", principal="acme/ada", now=now_ms())


async def _left(apart: Store) -> set[str]:
    return {meta.id for meta in (await apart.registry.list(ALL, limit=100))[0]}


async def test_what_a_killed_replay_has_left_goes_when_it_cannot_be_resumed(
    http: httpx.AsyncClient, past: Past, store: Store, apart: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left_work, "PAGE", 1)
    await past.talk("c", "hello")
    kept, deleted = await order(http, "since=7d"), await order(http, "since=7d")
    of_kept, of_deleted = (replayed_id(made["id"], "c") for made in (kept, deleted))
    names = {of_kept, f"{of_kept}-1-1-judge", of_deleted, f"{of_deleted}-1-1-judge"}
    for name in names:
        await _leave(apart, name)
    assert (await http.delete(f"/v1/replays/{deleted['id']}")).status_code == 204

    assert await delete_left(store, apart, now_ms()) == 0, "a task may still be at it"
    assert await _left(apart) == names
    later = now_ms() + YOUNG_MS + 1
    deletions = await asyncio.gather(*(delete_left(store, apart, later) for _ in range(2)))
    assert max(deletions) == 2
    assert await _left(apart) == {of_kept, f"{of_kept}-1-1-judge"}

    await store.replays.remove(kept["id"], "acme/ada")  # as after thirty days
    assert await delete_left(store, apart, later) == 2
    assert await _left(apart) == set()
    assert await store.registry.get("c"), "the originals stay"

"""What watchers can run is known to all processes while they are there, and a little longer if their process dies."""

from typing import Any

import pytest

from store import Store
from store.live import client_tools
from store.live.client_tools import new_watcher
from tests.store.conftest import Target
from tests.support.writer import NOW


async def test_nobody_has_declared_anything(store: Store) -> None:
    assert await store.client_tools.declared("c") == frozenset()


async def test_the_tools_of_all_watchers_count_while_they_are_there(store: Store, second_store: Store) -> None:
    phone, laptop = new_watcher(), new_watcher()
    await store.client_tools.declare("c", phone, ["locate", "photograph"])
    await second_store.client_tools.declare("c", laptop, ["pick_file", "locate"])
    await store.client_tools.declare("other", phone, ["ring"])
    assert await second_store.client_tools.declared("c") == {"locate", "photograph", "pick_file"}

    await store.client_tools.withdraw("c", phone, ["photograph", "locate"])
    assert await second_store.client_tools.declared("c") == {"locate", "pick_file"}
    await second_store.client_tools.withdraw("c", laptop, ["pick_file", "locate"])
    assert await store.client_tools.declared("c") == frozenset()


async def test_a_watcher_whose_process_dies_is_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.client_tools.declare("c", new_watcher(), ["locate"])
    monkeypatch.setattr(client_tools, "LIFETIME_MS", 1)
    await store.client_tools.declare("c", new_watcher(), ["ring"])
    while "ring" in await store.client_tools.declared("c"):
        pass


async def test_they_go_with_the_conversation(store: Store, target: Target) -> None:
    await store.registry.create("c", agent="assistant", principal="ada", now=NOW)
    await store.client_tools.declare("c", new_watcher(), ["locate"])
    await store.registry.delete("c")
    client: Any = target.client()
    assert await client.exists(store.keys.conversation("c").client_tools) == 0
    await client.aclose()

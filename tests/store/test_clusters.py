"""Clusters that share a store know of each other, as long as they report."""

import pytest

from store import Store
from store.registries import clusters
from tests.support.writer import NOW


async def test_each_cluster_is_told_of_the_others(store: Store) -> None:
    assert await store.clusters.report("old") == frozenset()
    assert await store.clusters.report("new") == {"old"}
    assert await store.clusters.report("old") == {"new"}


async def test_a_cluster_that_falls_silent_is_gone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.clusters.report("old")
    monkeypatch.setattr(clusters, "FRESH_MS", -1)
    assert await store.clusters.report("new") == frozenset()


async def test_conversations_of_another_cluster_can_be_left_out(store: Store) -> None:
    for conversation_id, cluster in (("here", "new"), ("there", "old"), ("nowhere", "")):
        await store.registry.create(conversation_id, agent="default", principal="ada", now=NOW)
        await store.log.claim(conversation_id, "an actor" if cluster else "", cluster=cluster)
    every = ["here", "there", "nowhere", "gone"]
    assert await store.registry.places(every) == {"here": "an actor", "there": "an actor", "nowhere": None}
    assert await store.registry.places(every, {"old"}) == {"here": "an actor", "nowhere": None}

"""The reports of shared hosts, how long they count, and which caller may ask a node for workers."""

import asyncio

import pytest

from store import Store


async def test_a_host_counts_until_it_leaves(store: Store) -> None:
    assert await store.hosts.loads() == {}
    await store.hosts.report("host:a:0", 3)
    await store.hosts.report("host:b:0", 5)
    await store.hosts.report("host:a:0", 4)
    assert await store.hosts.loads() == {"host:a:0": 4, "host:b:0": 5}
    await store.hosts.forget("host:a:0")
    assert await store.hosts.loads() == {"host:b:0": 5}


async def test_a_host_that_falls_silent_is_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.hosts.report("host:gone:0", 3)
    monkeypatch.setattr("store.registries.hosts.FRESH_MS", 5)
    await asyncio.sleep(0.02)
    assert await store.hosts.loads() == {}
    monkeypatch.undo()
    assert await store.hosts.loads() == {}, "its entry is removed"


async def test_one_caller_asks_a_node_for_workers_until_it_has_them(store: Store) -> None:
    assert sorted([await store.hosts.claim_prestart("0f", 60_000) for _ in range(3)]) == [False, False, True]
    assert await store.hosts.claim_prestart("1f", 60_000)
    await store.hosts.end_prestart("0f")
    assert await store.hosts.claim_prestart("0f", 60_000)


async def test_workers_that_never_come_up_are_asked_for_again(store: Store) -> None:
    assert await store.hosts.claim_prestart("0f", 5)
    await asyncio.sleep(0.02)
    assert await store.hosts.claim_prestart("0f", 60_000)


async def test_a_host_that_does_not_answer_is_silent_until_it_reports_again(store: Store) -> None:
    await store.hosts.report("host:a:0", 3)
    await store.hosts.report_silence("host:a:0")
    reports = await store.hosts.reports()
    assert (reports.loads, reports.silent) == ({}, {"host:a:0"})
    await store.hosts.report("host:a:0", 4)
    reports = await store.hosts.reports()
    assert (reports.loads, reports.silent) == ({"host:a:0": 4}, frozenset())


async def test_silence_is_remembered_longer_than_a_report(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.hosts.report("host:a:0", 3)
    await store.hosts.report_silence("host:b:0")
    monkeypatch.setattr("store.registries.hosts.FRESH_MS", -1)
    reports = await store.hosts.reports()
    assert (reports.loads, reports.silent) == ({}, {"host:b:0"})
    monkeypatch.setattr("store.registries.hosts.SILENT_MS", -1)
    assert (await store.hosts.reports()).silent == frozenset()
    assert await store.hosts.loads() == {}


async def test_a_busy_host_is_busy_until_it_reports_otherwise(store: Store) -> None:
    await store.hosts.report("host:a:0", 3, busy=True)
    await store.hosts.report("host:b:0", 5)
    reports = await store.hosts.reports()
    assert (reports.busy, reports.loads) == ({"host:a:0"}, {"host:a:0": 3, "host:b:0": 5})

    await store.hosts.report("host:a:0", 3)
    assert not (await store.hosts.reports()).busy

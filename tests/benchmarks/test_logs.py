"""The logs that are measured are valid logs of conversations."""

from collections.abc import AsyncIterator

import pytest

from agents.codec import decode
from benchmarks.logs import KEPT_TURNS, open_store, write_idle, write_long
from benchmarks.services import MeasuredService
from benchmarks.subjects import KINDS, Subject
from store.registries.lists import of_principal
from tests.support.invariants import check_log


@pytest.fixture
async def subject(redis_url: str) -> AsyncIterator[Subject]:
    """A subject that has only a store; its conversations are deleted after the test."""
    found = Subject(KINDS["shared"], MeasuredService("", redis_url, []))
    yield found
    async with open_store(found) as store:
        metas, _ = await store.registry.list(of_principal("local"), limit=100)
        for meta in metas:
            await store.registry.delete(meta.id)


async def test_idle_conversations_have_twenty_events(subject: Subject) -> None:
    ids = await write_idle(subject, 2)
    async with open_store(subject) as store:
        for conversation_id in ids:
            facts = check_log([decode(record) for record in await store.log.read(conversation_id)])
            assert (facts.last_seq, facts.turn, facts.running) == (20, 5, False)
            assert (await store.registry.get(conversation_id)).placement == "shared"


@pytest.mark.parametrize(("messages", "events", "summarised"), [(10, 15, 0), (100, 151, 50 - KEPT_TURNS)])
async def test_long_histories_end_in_a_summary(subject: Subject, messages: int, events: int, summarised: int) -> None:
    conversation_id = await write_long(subject, messages)
    async with open_store(subject) as store:
        facts = check_log([decode(record) for record in await store.log.read(conversation_id)])
        meta = await store.registry.get(conversation_id)
    assert (facts.last_seq, facts.turn, facts.summarised) == (events, messages // 2, summarised)
    assert meta.summary_seq == (events if summarised else None)

"""The overview: shared by all who look, asked for when one does, and added up of what hosts have said."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from deployments.background.live_conversations import LiveHost
from deployments.overview.overview import MAX_AGE_SECONDS, MIN_AGE_SECONDS, SharedAnswer
from deployments.overview.recent import SLOT_MS, SLOTS, MergedFigures, RecentFigures
from deployments.overview.summary import describe
from deployments.routing.control_plane import NodeEntry
from deployments.routing.host_reports import HostReport, NodeUse

NOW = 1_000_000 * SLOT_MS


class Source:
    """What is asked: it counts how often, takes as long as it is told to, and may fail."""

    def __init__(self) -> None:
        self.at = 0.0
        self.takes = 0.0
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.error: Exception | None = None
        self.answer = SharedAnswer(self.ask, lambda: self.at)

    async def ask(self) -> Mapping[str, Any]:
        self.asked += 1
        number = self.asked
        await self.may_answer.wait()
        self.at += self.takes
        if self.error is not None:
            raise self.error
        return {"number": number}

    async def number(self, patience: float = 0.0) -> int:
        answer = await self.answer.get(patience)
        return int(answer["number"])


async def test_all_who_look_share_one_answer_and_none_is_asked_for_when_none_looks() -> None:
    source = Source()
    assert source.asked == 0
    assert await asyncio.gather(*(source.number() for _ in range(5))) == [1] * 5
    source.at += MIN_AGE_SECONDS / 2
    assert await source.number() == 1
    source.at += MIN_AGE_SECONDS
    assert await source.number(10.0) == 2
    assert source.asked == 2


async def test_an_answer_that_costs_much_is_kept_for_longer() -> None:
    source = Source()
    source.takes = 3.0
    await source.number()
    source.at += 59.0
    assert await source.number() == 1
    source.at += 2.0
    assert await source.number(10.0) == 2


async def test_while_a_host_keeps_it_waiting_the_last_answer_is_given_unless_it_is_old() -> None:
    source = Source()
    await source.number()
    source.may_answer.clear()
    source.at += MIN_AGE_SECONDS + 1
    assert await source.number() == 1
    source.at += MAX_AGE_SECONDS
    waiting = asyncio.create_task(source.number())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    source.may_answer.set()
    assert await waiting == 2


async def test_one_who_goes_away_ends_nothing_for_the_others_and_a_failure_is_not_kept() -> None:
    source = Source()
    source.may_answer.clear()
    first, second = (asyncio.create_task(source.number()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    source.error = ConnectionError("away")
    source.may_answer.set()
    with pytest.raises(ConnectionError):
        await second
    source.error = None
    assert await source.number() == 2


def figures(outcome: str, milliseconds: int) -> RecentFigures:
    """Of a host with one turn, ten seconds ago."""
    recent = RecentFigures(lambda: NOW - 2 * SLOT_MS)
    recent.note_first_token(milliseconds / 10_000)
    recent.note_turn(outcome, milliseconds / 1000, waited=False)
    recent.note_usage(100, 25)
    return recent


def host(name: str, node: str, recent: RecentFigures, use: NodeUse, **states: int) -> LiveHost:
    report = HostReport(
        pid=1,
        memory=50,
        code_version=3,
        conversations=sum(states.values()),
        working=states.get("streaming", 0),
        listed=[],
        states=states,
        hibernating=2,
        recent=recent.report(),
        node_use=use,
    )
    return LiveHost(name, node, None, True, report)


def test_what_hosts_say_is_added_up() -> None:
    unknown = NodeUse(processor=None, cores=4.0, memory_used=10, memory_size=100)
    known = NodeUse(processor=0.5, cores=4.0, memory_used=11, memory_size=100)
    older = HostReport(pid=1, memory=None, code_version=2, conversations=1, working=1, listed=[])
    hosts = [
        host("host:n1:3:0", "n1", figures("completed", 1000), unknown, idle=3, streaming=1),
        host("conversation:c", "n1", figures("failed", 2000), known, awaiting_input=1),
        LiveHost("host:n2:2:0", "n2", None, True, older),
        LiveHost("conversation:d", "n2", None, False, None),
    ]
    nodes = [
        NodeEntry("n1", "10.0.0.1", is_head=False, is_draining=True, cores=8.0, actors=5),
        NodeEntry("n2", "10.0.0.2", is_head=True, is_draining=False, cores=2.0, actors=1),
    ]
    merged = MergedFigures()
    for one in hosts:
        if one.report is not None:
            merged.add(one.report.get("recent", ()))
    seen = describe(NOW, nodes, hosts, merged, not_asked=7)

    assert seen["conversations"] == {
        "live": 6,
        "working": 2,
        "hibernating": 4,
        "states": {"awaiting_input": 1, "idle": 3, "streaming": 1},
    }
    assert seen["dedicated"] == {
        "live": 9,
        "not_asked": 7,
        "silent": 1,
        "conversations": 1,
        "working": 0,
        "memory": 50,
    }
    assert [(one["name"], one["answers"], one["conversations"]) for one in seen["hosts"]] == [
        ("host:n1:3:0", True, 4),
        ("host:n2:2:0", True, 1),
    ]
    first, second = seen["nodes"]
    assert first == {
        "id": "n1",
        "address": "10.0.0.1",
        "head": False,
        "draining": True,
        "cores": 4.0,
        "processor": 0.5,
        "memory_used": 11,
        "memory_size": 100,
        "actors": 5,
        "hosts": 1,
        "dedicated": 1,
        "conversations": 5,
    }
    assert (second["cores"], second["processor"], second["memory_size"], second["hosts"]) == (2.0, None, None, 1)
    assert seen["turns"]["per_second"] == 2 / 60
    assert seen["turns"]["outcomes"] == {"completed": 1, "failed": 1, "cancelled": 0}
    error = seen["turns"]["quantile_error"]
    assert seen["turns"]["turn_ms"] == {
        "count": 2,
        "p50": pytest.approx(1000, rel=error),
        "p99": pytest.approx(2000, rel=error),
    }
    assert seen["turns"]["first_token_ms"]["p50"] == pytest.approx(100, rel=error)
    assert seen["usage"] == {"tokens": 200, "cost": 50}
    series = seen["series"]
    assert {len(series[name]) for name in series if isinstance(series[name], list)} == {SLOTS}
    assert series["began_at"][-2:] == [NOW - 2 * SLOT_MS, NOW - SLOT_MS]
    assert series["outcomes"]["failed"][-3:] == [0, 1, 0]
    assert series["tokens"][-3:] == [0, 200, 0]
    assert series["turn_p99"][-1] is None

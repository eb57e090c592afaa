"""What actors of single conversations count reaches a replica, whole and once; and which of them are there."""

from dataclasses import dataclass

import pytest

from agents.agent import Agent
from agents.clock import now_ms
from agents.models import ScriptedModel, Step
from deployments.metrics import table
from deployments.metrics.cluster import BatchCounts, ClusterMetrics
from deployments.metrics.recorder import Recorder
from deployments.metrics.relay import FORGOTTEN_SECONDS, REST_SECONDS, MetricsRelay, RelayReceiver
from store import StoreError
from store.registries.batches import BatchRecord, RowNote
from store.registries.relayed_metrics import RelayedMetrics
from tests.servers.process import RedisServer
from tests.support.conversations import World, rest, say
from tests.support.metric_values import values


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Actor:
    """An actor with one conversation, as far as its metrics go."""

    def __init__(self, reports: RelayedMetrics, clock: Clock, place: str = "conversation:c") -> None:
        self.recorder = Recorder()
        self.state: str | None = "idle"
        self.relay = MetricsRelay(self.recorder, reports, place, lambda: self.state, clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_what_an_actor_has_counted_is_counted_once_by_the_replica(world: World, clock: Clock) -> None:
    replica, actor = Recorder(), Actor(world.store.relayed_metrics, clock)
    receiver = RelayReceiver(replica, world.store.relayed_metrics, clock)
    for _ in range(3):
        actor.recorder.count(table.TURNS, "a", "completed")
        actor.recorder.observe(table.APPEND_SECONDS, 0.002, "written")
        await actor.relay.send()
        await receiver.receive()
        await receiver.receive()
    found = values(replica)
    assert found["turns_total", "other", "completed"] == 3
    assert found["append_seconds_count", "written"] == found["append_seconds_bucket", "written", "0.0025"] == 3
    assert receiver.states() == {("idle", "dedicated"): 1}


async def test_an_actor_at_rest_says_once_a_minute_that_it_is_there(world: World, clock: Clock) -> None:
    actor = Actor(world.store.relayed_metrics, clock)
    sent = 0
    for second in range(0, 121, 10):
        clock.now = float(second)
        await actor.relay.send()
        sent += len(await world.store.relayed_metrics.take())
    assert sent == 1 + 120 // REST_SECONDS


async def test_an_actor_that_ends_or_is_silent_is_not_there(world: World, clock: Clock) -> None:
    receiver = RelayReceiver(Recorder(), world.store.relayed_metrics, clock)
    ends, dies = (Actor(world.store.relayed_metrics, clock, place) for place in ("conversation:e", "conversation:d"))
    for actor in (ends, dies):
        await actor.relay.send()
    await receiver.receive()
    assert receiver.states() == {("idle", "dedicated"): 2}
    await ends.relay.send(is_last=True)
    await receiver.receive()
    assert receiver.states() == {("idle", "dedicated"): 1}
    clock.now = FORGOTTEN_SECONDS + 1
    assert receiver.states() == {}


async def test_what_could_not_be_sent_is_sent_later(fragile: tuple[World, RedisServer], clock: Clock) -> None:
    world, server = fragile
    actor, replica = Actor(world.store.relayed_metrics, clock), Recorder()
    receiver = RelayReceiver(replica, world.store.relayed_metrics, clock)
    actor.recorder.count(table.TURNS, "a", "completed")
    server.kill()
    await actor.relay.send()
    with pytest.raises(StoreError):
        await receiver.receive()
    server.start()
    actor.recorder.count(table.TURNS, "a", "completed")
    await actor.relay.send()
    await receiver.receive()
    assert values(replica)["turns_total", "other", "completed"] == 2


@pytest.mark.parametrize(
    "report", [b"no JSON", b"{}", b"[1]", b'["c","idle",[["turns_total",["a"],1]],[]]', b'["c",1,7,7]']
)
async def test_a_report_of_other_code_harms_nothing(world: World, clock: Clock, report: bytes) -> None:
    replica, actor = Recorder(), Actor(world.store.relayed_metrics, clock)
    await world.store.relayed_metrics.put(report)
    actor.recorder.count(table.EVICTIONS, "idle")
    await actor.relay.send()
    await RelayReceiver(replica, world.store.relayed_metrics, clock).receive()
    assert values(replica) == {("evictions_total", "idle"): 1}


async def test_one_replica_says_what_holds_for_the_cluster(world: World) -> None:
    conversation = await world.start(Agent(name="hanging", model=ScriptedModel([Step(hangs="before")])))
    await say(conversation)
    recorders = [Recorder(), Recorder()]
    replicas = [ClusterMetrics(recorder, world.store, "cluster") for recorder in recorders]
    for _ in range(2):
        for replica in replicas:
            await replica.look()
    said, silent = (values(recorder) for recorder in recorders)
    assert said["queue_length", "unfinished_turns"] == 1
    assert said["queue_length", "jobs_high"] == said["queue_length", "starts"] == 0
    assert {key: value for key, value in silent.items() if value} == {}
    await conversation.cancel()
    await rest(conversation)
    await replicas[0].look()
    assert values(recorders[0])["queue_length", "unfinished_turns"] == 0


async def test_rows_of_batches_are_counted_once_each(world: World) -> None:
    recorder, batches = Recorder(), world.store.batches
    await batches.add(BatchRecord("old", "ada", b"{}", "running", created_at=1))
    await batches.note_rows("old", [RowNote(1, 0, "succeeded")])
    counts = BatchCounts(recorder, batches)
    await batches.add(BatchRecord("new", "ada", b"{}", "running", created_at=now_ms()))
    await batches.note_rows("new", [RowNote(1, 0, "succeeded"), RowNote(2, 0, "failed", "no")])
    for _ in range(2):
        await counts.look()
    await batches.note_rows("old", [RowNote(1, 0, "succeeded"), RowNote(2, 0, "succeeded")])
    await batches.change("new", ["running"], {"state": "done"})
    for _ in range(2):
        await counts.look()
    found = {key: value for key, value in values(recorder).items() if value}
    assert found == {
        ("batch_rows_total", "succeeded"): 2,
        ("batch_rows_total", "failed"): 1,
        ("batches", "running"): 1,
    }

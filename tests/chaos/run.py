"""One run: people, watchers and faults at once, then a wait until all turns have ended, and the evidence."""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from store import Store
from tests.chaos.collect import read_transcripts, wait_until_finished, wait_until_heard
from tests.chaos.evidence import Evidence, StoredTranscript
from tests.chaos.nemesis import InjectedFault, Nemesis
from tests.chaos.notices import Listener
from tests.chaos.people import SimulatedPerson
from tests.chaos.plan import Plan
from tests.chaos.system import SystemUnderTest
from tests.chaos.watchers import WatchingClient

MAX_REST_SECONDS = 90.0
MAX_CATCH_UP_SECONDS = 30.0
CREATE_SECONDS = 60.0
PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Result:
    """`rest_seconds` is the time from the healing of the last fault until no turn was unfinished."""

    plan: Plan
    evidence: Evidence
    injected: Sequence[InjectedFault]
    rest_seconds: float


async def run(plan: Plan, system: SystemUnderTest) -> Result:
    """Carry out the plan, and wait until all turns have ended."""
    store, begun = system.store(), time.time()
    try:
        async with Listener(system.redis.url) as listener:
            conversations = await _create(plan, system.url)
            people = [
                SimulatedPerson(f"person-{number}", system.url, conversations) for number in range(len(plan.people))
            ]
            watchers = [
                WatchingClient(kind, conversations[number], system.url, plan.seed + index)
                for index, (number, kind) in enumerate(plan.watchers)
            ]
            nemesis = Nemesis(system)
            watching = [asyncio.create_task(watcher.watch()) for watcher in watchers]
            try:
                await _play(plan, people, nemesis)
                rest_seconds = await _finish(store, people[0], conversations)
                await wait_until_heard(store, MAX_CATCH_UP_SECONDS)
                found = await read_transcripts(store, conversations)
                watchers += (
                    fresh := [WatchingClient("fresh", conversation, system.url) for conversation in conversations]
                )
                watching += [asyncio.create_task(watcher.watch()) for watcher in fresh]
                await _catch_up(watchers, found)
            finally:
                for task in watching:
                    task.cancel()
                await asyncio.gather(*watching, return_exceptions=True)
                await asyncio.gather(*(client.aclose() for client in (*people, *watchers)))
        entries = [entry for entry in system.ledger.entries() if entry.at >= begun]
        evidence = Evidence(
            operations=[operation for person in people for operation in person.operations],
            transcripts=found,
            entries=entries,
            notices={key: notices for key, notices in listener.notices_by_conversation.items() if key in found},
            watchers=[watcher.record for watcher in watchers],
            heard=[entry for entry in entries if entry.kind == "heard"],
        )
        return Result(plan, evidence, nemesis.injected, rest_seconds)
    finally:
        await store.aclose()


async def _play(plan: Plan, people: Sequence[SimulatedPerson], nemesis: Nemesis) -> None:
    until = asyncio.get_running_loop().time() + plan.size.seconds
    async with asyncio.TaskGroup() as group:
        group.create_task(nemesis.inject(plan.faults))
        for person, actions in zip(people, plan.people, strict=True):
            group.create_task(person.perform(actions, until))


async def _create(plan: Plan, url: str) -> list[str]:
    """Create the conversations, before anything is broken."""
    created = []
    async with httpx.AsyncClient(base_url=url, timeout=CREATE_SECONDS) as http:
        for placement in plan.placements:
            conversation = f"{placement}-{uuid.uuid4().hex[:8]}"
            body = {"id": conversation, "placement": placement}
            (await http.post("/v1/conversations", json=body)).raise_for_status()
            created.append(conversation)
    return created


async def _finish(store: Store, person: SimulatedPerson, conversations: Sequence[str]) -> float:
    """Approve and answer all calls that ask people, until no turn is unfinished or the time is over."""
    begun = time.monotonic()
    while time.monotonic() < begun + MAX_REST_SECONDS and not await wait_until_finished(store, PAUSE_SECONDS):
        await asyncio.gather(*(person.decide(conversation, 0.0, refuse=False) for conversation in conversations))
    return time.monotonic() - begun


async def _catch_up(watchers: Sequence[WatchingClient], found: Mapping[str, StoredTranscript]) -> None:
    for watcher in watchers:
        watcher.become_steady()
    waiting = (
        watcher.catch_up(found[watcher.record.conversation].last_seq, MAX_CATCH_UP_SECONDS) for watcher in watchers
    )
    await asyncio.gather(*waiting)

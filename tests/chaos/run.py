"""One run: people, watchers and the nemesis at once, then peace, and all that is known at the end of it."""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from store import Store
from tests.chaos.collect import at_rest, transcripts
from tests.chaos.evidence import Evidence, Transcript
from tests.chaos.nemesis import Hit, Nemesis
from tests.chaos.notices import Listener
from tests.chaos.people import Person
from tests.chaos.plan import Plan
from tests.chaos.tabs import Watcher
from tests.chaos.world import World

REST_SECONDS = 90.0
CATCH_UP_SECONDS = 30.0
PEACE_SECONDS = 60.0
PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Result:
    """`rest_seconds` is how long it took until nothing was unfinished, after the last fault was healed."""

    plan: Plan
    evidence: Evidence
    hits: Sequence[Hit]
    rest_seconds: float


async def run(plan: Plan, world: World) -> Result:
    """Carry out the plan, and come to rest."""
    store, begun = world.store(), time.time()
    try:
        async with Listener(world.redis.url) as listener:
            conversations = await _create(plan, world.url)
            people = [Person(f"person-{number}", world.url, conversations) for number in range(len(plan.people))]
            tabs = [
                Watcher(kind, conversations[number], world.url, plan.seed + place)
                for place, (number, kind) in enumerate(plan.tabs)
            ]
            nemesis = Nemesis(world)
            watching = [asyncio.create_task(tab.watch()) for tab in tabs]
            try:
                await _live(plan, people, nemesis)
                rest_seconds = await _come_to_rest(store, people[0], conversations)
                found = await transcripts(store, conversations)
                tabs += (fresh := [Watcher("fresh", conversation, world.url) for conversation in conversations])
                watching += [asyncio.create_task(tab.watch()) for tab in fresh]
                await _catch_up(tabs, found)
            finally:
                for task in watching:
                    task.cancel()
                await asyncio.gather(*watching, return_exceptions=True)
                await asyncio.gather(*(member.aclose() for member in (*people, *tabs)))
        evidence = Evidence(
            operations=[operation for person in people for operation in person.operations],
            transcripts=found,
            entries=[entry for entry in world.ledger.entries() if entry.at >= begun],
            notices={key: heard for key, heard in listener.heard.items() if key in found},
            watched=[tab.watched for tab in tabs],
        )
        return Result(plan, evidence, nemesis.hits, rest_seconds)
    finally:
        await store.aclose()


async def _live(plan: Plan, people: Sequence[Person], nemesis: Nemesis) -> None:
    until = asyncio.get_running_loop().time() + plan.size.seconds
    async with asyncio.TaskGroup() as group:
        group.create_task(nemesis.rage(plan.faults))
        for person, actions in zip(people, plan.people, strict=True):
            group.create_task(person.live(actions, until))


async def _create(plan: Plan, url: str) -> list[str]:
    """The conversations, before anything is broken."""
    created = []
    async with httpx.AsyncClient(base_url=url, timeout=PEACE_SECONDS) as http:
        for placement in plan.placements:
            conversation = f"{placement}-{uuid.uuid4().hex[:8]}"
            body = {"id": conversation, "placement": placement}
            (await http.post("/v1/conversations", json=body)).raise_for_status()
            created.append(conversation)
    return created


async def _come_to_rest(store: Store, person: Person, conversations: Sequence[str]) -> float:
    """Say yes to all that waits for people, until nothing is unfinished, or the time is over."""
    begun = time.monotonic()
    while time.monotonic() < begun + REST_SECONDS and not await at_rest(store, PAUSE):
        await asyncio.gather(*(person.decide(conversation, 0.0, refuse=False) for conversation in conversations))
    return time.monotonic() - begun


async def _catch_up(tabs: Sequence[Watcher], found: Mapping[str, Transcript]) -> None:
    for tab in tabs:
        tab.settle()
    waiting = (tab.catch_up(found[tab.watched.conversation].last_seq, CATCH_UP_SECONDS) for tab in tabs)
    await asyncio.gather(*waiting)

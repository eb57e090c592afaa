"""A client of the run's service, whose conversations must have lawful logs when the test is over."""

import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import orjson
import pytest
import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError

from agents.codec import decode
from agents.turn import fsm_state
from deployments.host.actor import open_door
from deployments.process.agents import catalog
from deployments.routing.door import Door
from deployments.routing.placement import actor_name
from store import ConversationNotFound, Store
from tests.support.api import Api, eventually
from tests.support.invariants import check_log
from tests.support.service import RunningService, otlp_server, service, service_url, stand_in
from tests.support.service_agents import Ledger

PLACEMENTS = ("shared", "dedicated")

in_the_ingress = pytest.mark.parametrize("placement", ["shared"])
"""For a test that is about the ingress alone: it need not run once for each placement of conversations."""

__all__ = ["otlp_server", "service", "service_url", "stand_in"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--placements one`, keep one of two tests that differ in their placement only."""
    if config.getoption("--placements") == "both":
        return
    twins: dict[str, list[pytest.Item]] = {}
    for item in items:
        if (placement := _placement_of(item)) is not None:
            twins.setdefault(item.nodeid.replace(placement, "*"), []).append(item)
    pairs = ((key, sorted(pair, key=_placement_of)) for key, pair in twins.items() if pair[1:])
    # A third of the tests with dedicated actors, which take seconds to start.
    spared = [pair[zlib.crc32(key.encode()) % 3 == 0] for key, pair in pairs]
    config.hook.pytest_deselected(items=spared)
    items[:] = [item for item in items if item not in spared]


def _placement_of(item: pytest.Item) -> str | None:
    placement = item.callspec.params.get("placement") if hasattr(item, "callspec") else None
    return placement if placement in PLACEMENTS else None


@pytest.fixture(params=PLACEMENTS)
def placement(request: pytest.FixtureRequest) -> str | None:
    """Where the test's conversations live: each test runs with both; a module may have its own fixture instead."""
    return str(request.param)


@pytest.fixture
async def api(service: RunningService, store: Store, placement: str | None) -> AsyncIterator[Api]:
    """Requests to the service."""
    async with person_at(service.url, placement, store) as person:
        yield person


@pytest.fixture
async def store(service: RunningService) -> AsyncIterator[Store]:
    """The service's store, as the test sees it."""
    store = service.store()
    yield store
    await store.aclose()


@pytest.fixture
def ledger(service: RunningService) -> Ledger:
    """What the tools of the `worker` did."""
    return Ledger(service.data_dir)


@pytest.fixture(scope="module")
def cluster(service: RunningService) -> Iterator[None]:
    """This process as a driver of the service's Ray cluster; a module may be a driver of another one instead."""
    with service.connected_ray():
        yield


@asynccontextmanager
async def person_at(url: str, placement: str | None, store: Store) -> AsyncIterator[Api]:
    """All conversations that the client creates are checked and deleted in the end."""
    person = Api(url, placement)
    try:
        yield person
        for conversation_id in person.created:
            await check_conversation(store, conversation_id)
    finally:
        for conversation_id in person.created:
            await person.http.delete(f"/v1/conversations/{conversation_id}")
        await person.http.aclose()


async def check_conversation(store: Store, conversation_id: str) -> None:
    """Check that the log is lawful, and that the cached state is its fold."""
    try:
        await store.log.claim(conversation_id)  # no incarnation writes from here on
        meta = await store.registry.get(conversation_id)
    except ConversationNotFound:
        return
    facts = check_log([decode(record) for record in await store.log.read(conversation_id)])
    assert meta.last_seq == facts.last_seq
    if meta.state is not None:
        assert orjson.loads(meta.state) == fsm_state(facts)


async def lives_in(conversation_id: str) -> ActorHandle | None:
    """The actor in which the conversation lives, its own or a shared host; None while it lives nowhere."""
    for found in ray.util.list_named_actors(all_namespaces=True):
        if found["namespace"] == "raylogue" and found["name"].startswith((actor_name(conversation_id), "host:")):
            with suppress(ValueError, RayActorError):  # a listed actor may end before it is asked
                actor = ray.get_actor(found["name"], namespace="raylogue")
                if not await actor.missing.remote([conversation_id]):
                    return actor
    return None


async def actor_of(conversation_id: str) -> ActorHandle:
    """The actor in which the conversation lives, which may still have to start: what is accepted comes before it."""
    return await eventually(partial(lives_in, conversation_id))


async def pid_of(conversation_id: str) -> int:
    pid: int = await (await actor_of(conversation_id)).pid.remote()
    return pid


def own_door(service: RunningService) -> Door:
    """Another door to the service's conversations, in this process."""
    settings = service.settings()
    return open_door(settings, service.store(), catalog(settings))

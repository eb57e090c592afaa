"""Shared hosts that are full, leave or die: conversations move, and doors find them without being told."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import orjson
import pytest
import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError

from agents.clock import now_ms
from agents.codec import decode
from agents.context import AgentContext
from agents.errors import Refused
from agents.turn.events import TurnEnded
from agents.turn.inputs import Resolve, UserMessage
from deployments.process.agents import catalog
from deployments.routing.code_version import OwnCodeVersion, code_name
from deployments.routing.door import Door
from store import Store, connect
from tests.deployments.conftest import check_conversation
from tests.support.api import eventually
from tests.support.service import RunningService, is_alive
from tests.support.service_agents import Ledger
from tests.support.small_hosts import NAMESPACE, ROOM, DrowsyHost, OlderHost, ShortLivedHost, SmallHost

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


@pytest.fixture
async def store(service: RunningService) -> AsyncIterator[Store]:
    store = connect(service.redis.url, prefix=NAMESPACE)
    yield store
    await store.aclose()


@pytest.fixture
def door(service: RunningService, store: Store) -> Door:
    return door_to(SmallHost, service, store)


def door_to(host_class: type[SmallHost], service: RunningService, store: Store) -> Door:
    """A door that starts hosts of that class."""
    settings = service.settings().model_copy(
        update={"namespace": NAMESPACE, "prefix": NAMESPACE, "target_conversations": ROOM}
    )
    return Door(settings, store, catalog(settings), host_class, OwnCodeVersion(store, code_name(settings)))


@pytest.fixture(autouse=True)
def hosts_end() -> Iterator[None]:
    """Kill what the test's door has started."""
    yield
    for host in hosts().values():
        ray.kill(host)


def hosts() -> dict[str, ActorHandle]:
    """The hosts of the test, by name."""
    found = ray.util.list_named_actors(all_namespaces=True)
    found_hosts: dict[str, ActorHandle] = {}
    for name in sorted(entry["name"] for entry in found if entry["namespace"] == NAMESPACE):
        with suppress(ValueError):  # a listed host may end before it is looked up
            found_hosts[name] = ray.get_actor(name, namespace=NAMESPACE)
    return found_hosts


async def created(store: Store, conversation_id: str, agent: str = "assistant") -> str:
    await store.registry.create(conversation_id, agent=agent, principal="local", placement="shared", now=now_ms())
    return conversation_id


async def say(door: Door, conversation_id: str, words: str) -> None:
    message = UserMessage(content=[{"type": "text", "text": words}], client_id=words, on_busy="queue")
    await door.send(conversation_id, message, AgentContext())


async def living_in(host: ActorHandle, conversations: list[str]) -> list[str]:
    """Which of these conversations live in the host; none if it has ended."""
    try:
        elsewhere = set(await host.missing.remote(conversations))
    except RayActorError:
        return []
    return [conversation_id for conversation_id in conversations if conversation_id not in elsewhere]


async def test_where_a_host_is_full_or_leaves_or_dies_conversations_go_to_the_next(door: Door, store: Store) -> None:
    conversations = [await created(store, f"c{number}") for number in range(2 * ROOM)]
    for conversation_id in conversations:
        await say(door, conversation_id, "hello")
    first, second = hosts().values()
    there, here = await living_in(first, conversations), await living_in(second, conversations)
    assert (len(there), len(here)) == (ROOM, ROOM), "a full host is known as such, whatever has been reported so far"

    await door.dismiss(here[0], (await store.registry.get(here[0])).place)

    async def has_room() -> bool:
        return await living_in(second, conversations) == here[1:]

    await eventually(has_room)
    left = await first.pid.remote()
    first.leave.remote()

    async def has_left() -> bool:
        return not is_alive(left)

    await eventually(has_left)
    await say(door, there[0], "are you there?")
    [next_host] = [host for host in hosts().values() if there[0] in await living_in(host, conversations)]
    assert await next_host.pid.remote() != left, "it is in the other host, or in a new one of that name"

    os.kill(await second.pid.remote(), signal.SIGKILL)
    await asyncio.gather(*(say(door, conversation_id, "and now?") for conversation_id in conversations))
    for conversation_id, turns in zip([*there, *here], (3, 2, 2, 2), strict=True):

        async def answered(key: str = conversation_id, last_seq: int = 3 * turns) -> bool:
            return (await store.registry.get(key)).last_seq == last_seq

        await eventually(answered)
        await check_conversation(store, conversation_id)


def begun(ledger: Ledger, conversation_id: str, times: int) -> Callable[[], Awaitable[bool]]:
    async def often_enough() -> bool:
        return len(ledger.read(conversation_id)) >= times

    return often_enough


def at_rest(store: Store, conversation_id: str) -> Callable[[], Awaitable[bool]]:
    async def nothing_unfinished() -> bool:
        return conversation_id not in await store.registry.unfinished(2**60, 100)

    return nothing_unfinished


async def test_a_turn_whose_host_leaves_is_handed_over(door: Door, store: Store, service: RunningService) -> None:
    ledger, working = Ledger(service.data_dir), await created(store, "handed-over", "worker")
    await say(door, working, "wait: here")
    await eventually(begun(ledger, working, 1))
    [(name, host)] = hosts().items()
    host.leave.remote()
    await eventually(begun(ledger, working, 2))
    ledger.open_gate(working)
    await eventually(at_rest(store, working))
    assert (await store.registry.get(working)).ended == "drained"
    assert [deed for _, deed in ledger.read(working)] == ["started", "started", "done"]
    assert len({call for call, _ in ledger.read(working)}) == 1
    assert (await store.registry.get(working)).place != name
    await check_conversation(store, working)

    async def gone() -> bool:
        return name not in hosts()

    await eventually(gone)


async def test_a_cancel_that_a_host_with_older_code_did_not_answer_ends_no_other_turn(
    service: RunningService, store: Store
) -> None:
    door = door_to(OlderHost, service, store)
    ledger, working = Ledger(service.data_dir), await created(store, "cancelled", "worker")
    await say(door, working, "wait: one")
    await eventually(begun(ledger, working, 1))
    await say(door, working, "wait: two")

    receipt = await door.cancel(working, "local", 1)  # the host dies under it, and turn 2 has begun by then

    assert (receipt.turn, receipt.duplicate) == (1, True)
    with pytest.raises(Refused, match="Turn 3"):
        await door.cancel(working, "local", 3)
    await door.wake(working)
    ledger.open_gate(working)
    await eventually(at_rest(store, working))
    ends = [decode(record).event for record in await store.log.read(working)]
    assert [event.outcome for event in ends if isinstance(event, TurnEnded)] == ["cancelled", "completed"]
    await check_conversation(store, working)


async def test_a_host_lets_idle_conversations_go_and_ends_when_it_is_empty(
    service: RunningService, store: Store
) -> None:
    door = door_to(ShortLivedHost, service, store)
    idle, parked = await created(store, "idle"), await created(store, "parked", "worker")
    await say(door, idle, "hello")
    await say(door, parked, "announce: lunch")
    [(name, host)] = hosts().items()

    async def hibernates() -> bool:
        return not await living_in(host, [parked])

    await eventually(hibernates)
    pid = await host.pid.remote()
    [call] = orjson.loads((await store.registry.get(parked)).state or b"")["pending"]
    await door.resolve(parked, Resolve(tool_call_id=call, decision="approve"), AgentContext(principal="local"))
    await eventually(at_rest(store, parked))
    assert (await store.registry.get(parked)).place == name, "it is where it was"

    async def gone() -> bool:
        return name not in hosts() and not is_alive(pid)

    await eventually(gone)
    assert (await store.registry.get(idle)).exit == "idle"
    await say(door, idle, "hello again")
    await eventually(at_rest(store, idle))
    for conversation_id in (idle, parked):
        await check_conversation(store, conversation_id)


async def test_a_hibernating_conversation_that_is_deleted_keeps_no_host_alive(
    service: RunningService, store: Store
) -> None:
    door = door_to(DrowsyHost, service, store)
    deleted, other = await created(store, "deleted", "impatient"), await created(store, "other", "impatient")
    await say(door, deleted, "announce: lunch")
    await say(door, other, "announce: dinner")
    [(name, host)] = hosts().items()

    async def both_hibernate() -> bool:
        return not await living_in(host, [deleted, other])

    await eventually(both_hibernate)
    await store.registry.delete(deleted)  # its question runs out while nobody has told the host

    await eventually(at_rest(store, other))
    assert (await store.registry.get(other)).place == name, "its question ran out where it hibernated"

    async def gone() -> bool:
        return name not in hosts()

    await eventually(gone)
    await check_conversation(store, other)


async def test_an_answer_to_a_hibernating_conversation_is_taken_into_its_log(
    service: RunningService, store: Store
) -> None:
    """What that reads is counted in `tests/agents/conversation/test_running_turn.py`."""
    door, context = door_to(DrowsyHost, service, store), AgentContext(principal="local", values={"tenant": "t"})
    parked = await created(store, "answered", "worker")
    await say(door, parked, "announce: lunch")
    [(name, host)] = hosts().items()

    async def hibernates() -> bool:
        return not await living_in(host, [parked])

    await eventually(hibernates)
    [call] = orjson.loads((await store.registry.get(parked)).state or b"")["pending"]
    approval = Resolve(tool_call_id=call, decision="approve", principal="local")
    for stale in (replace(approval, tool_call_id="another"), replace(approval, question=1)):
        with pytest.raises(Refused, match="Nothing waits"):
            await door.resolve(parked, stale, context)
    assert await hibernates(), "a stale answer wakes no conversation"
    receipt = await door.resolve(parked, approval, context)
    await eventually(at_rest(store, parked))
    meta = await store.registry.get(parked)
    assert (meta.place, meta.last_seq > receipt.seq) == (name, True), "it has gone on where it was"

    await host.stop.remote(parked)
    repeated = await door.resolve(parked, approval, context)
    assert repeated == replace(receipt, duplicate=True)
    with pytest.raises(Refused, match=r"No turn|not running"):
        await door.cancel(parked, "local", receipt.turn)
    assert await hibernates(), "nor does one that comes again"
    await check_conversation(store, parked)


async def test_a_door_that_comes_by_an_old_address_follows_the_conversation(
    service: RunningService, store: Store, door: Door
) -> None:
    ledger, moved = Ledger(service.data_dir), await created(store, "moved", "worker")
    await say(door, moved, "hello")
    [(left_name, left)] = hosts().items()
    others = [await created(store, f"other{number}") for number in range(ROOM)]
    await left.stop.remote(moved)
    for conversation_id in others:
        await left.wake.remote(conversation_id)  # now the host is full
    await say(door_to(SmallHost, service, store), moved, "wait: here")
    await eventually(begun(ledger, moved, 1))
    here = (await store.registry.get(moved)).place
    assert here != left_name
    await left.stop.remote(others[0])  # and now it has room for what has moved

    await say(door, moved, "and this")  # this door still holds the old address

    assert (await store.registry.get(moved)).place == here
    ledger.open_gate(moved)
    await eventually(at_rest(store, moved))
    assert [deed for _, deed in ledger.read(moved)] == ["started", "done"]
    await check_conversation(store, moved)

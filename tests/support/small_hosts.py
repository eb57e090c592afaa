"""Hosts with other settings than the service's, in a namespace and under a prefix of their own.

There is no sweep: a turn that goes on after its host is gone was handed over.
"""

import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import ClassVar

import pytest

from agents.conversation import Receipt
from deployments.host import actor
from deployments.routing.code_version import CodeVersion
from store import Store, connect
from tests.support.first_time import FirstTimeEvents
from tests.support.service import RunningService

ROOM = 2
NAMESPACE = "small-hosts"
GATE = Path(tempfile.gettempdir()) / f"raylogue-{NAMESPACE}.gate"


@pytest.fixture
async def own_store(service: RunningService) -> AsyncIterator[Store]:
    """The store of these hosts, in which none is known yet."""
    store = connect(service.redis.url, prefix=NAMESPACE)
    for name in await store.hosts.loads():  # of hosts that a test before has killed
        await store.hosts.forget(name)
    yield store
    await store.aclose()


class SmallHost(actor.HostActor):
    """Has room for two conversations, and hardly waits for unfinished turns when it leaves."""

    settings: ClassVar[dict[str, str]] = {"RAYLOGUE_HOST_CONVERSATIONS": str(ROOM), "RAYLOGUE_DRAIN_SECONDS": "0.2"}

    def __init__(self, name: str, version: CodeVersion) -> None:
        os.environ.update({"RAYLOGUE_NAMESPACE": NAMESPACE, "RAYLOGUE_PREFIX": NAMESPACE, **self.settings})
        actor.HostActor = type(self)  # the hosts that its own door starts have the same class
        super().__init__(name, version)


class DrowsyHost(SmallHost):
    """Lets parked conversations go soon, and keeps their place for longer than an impatient question waits."""

    settings: ClassVar[dict[str, str]] = {"RAYLOGUE_HIBERNATE_SECONDS": "0.2", "RAYLOGUE_LEAVE_SECONDS": "5"}


class OlderHost(SmallHost):
    """Has the signature of an earlier version, whose cancel knows no turn; its process dies once it has cancelled."""

    async def cancel(self, conversation_id: str, principal: str | None, door_version: int = 0) -> Receipt:  # type: ignore[override]
        await super().cancel(conversation_id, principal, door_version)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class ShortLivedHost(SmallHost):
    """Lets parked conversations go soon; idle ones, and itself, a little later."""

    settings: ClassVar[dict[str, str]] = {"RAYLOGUE_HIBERNATE_SECONDS": "0.2", "RAYLOGUE_LEAVE_SECONDS": "2"}


class GatedHost(SmallHost):
    """Has much room. A host that is not the first of its node is not made before the file `GATE` is there."""

    settings: ClassVar[dict[str, str]] = {"RAYLOGUE_HOST_CONVERSATIONS": "1000"}

    def __init__(self, name: str, version: CodeVersion) -> None:
        while not name.endswith(":0") and not GATE.exists():
            time.sleep(0.05)
        super().__init__(name, version)


class BrokenHost(SmallHost):
    """Cannot import its agents."""

    settings: ClassVar[dict[str, str]] = {"RAYLOGUE_AGENTS": "no_such_shop:catalog"}


class WatchedHost(SmallHost):
    """Has much room, and notes what it does for the first time once it is ready."""

    settings: ClassVar[dict[str, str]] = {"RAYLOGUE_HOST_CONVERSATIONS": "1000"}

    def __init__(self, name: str, version: CodeVersion) -> None:
        super().__init__(name, version)
        self._events = FirstTimeEvents()

    async def missing(self, conversation_ids: Iterable[str]) -> list[str]:
        found = await super().missing(conversation_ids)
        self._events.is_on = True
        return found

    async def first_time_events(self) -> list[str]:
        return self._events.seen

"""How a host ends: it takes nothing new, lets turns come to rest, hands over the others, and ends its process."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import ray
import structlog

from agents.services import Services
from agents.turn.states import ExitReason
from deployments.host.activations import Activations
from deployments.host.load import HostLoad
from deployments.settings import Settings
from store import StoreError

log = structlog.get_logger(__name__)


class Shutdown:
    """Of one host. Once it `has_begun`, no conversation is activated here any more.

    `wake` has another host go on with a conversation.
    """

    def __init__(
        self,
        settings: Settings,
        services: Services,
        load: HostLoad,
        activations: Activations,
        wake: Callable[[str], Awaitable[object]],
    ) -> None:
        self.has_begun = False
        self._settings = settings
        self._services = services
        self._load = load
        self._activations = activations
        self._wake = wake
        self._has_ended = False
        self._tasks: list[asyncio.Task[None]] = []

    async def leave(self) -> None:
        """Let turns come to rest for a while, stop and hand over what is unfinished then, and end the process.

        To be asked again changes nothing.
        """
        if self.has_begun:
            return
        self.has_begun = True
        await self._activations.settle()  # what was let in a moment ago must not be forgotten
        active = self._activations.active()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds):
                await asyncio.gather(*(conversation.rest() for conversation in active))
        unfinished = [conversation.id for conversation in active if conversation.resting_since is None]
        await asyncio.gather(*(conversation.stop(ExitReason.DRAINED) for conversation in active))
        if not self._load.is_dedicated:
            await asyncio.gather(*map(self._hand_over, unfinished))
        self.end()  # the successor of a dedicated one needs its name: the sweep starts it once that is free

    def end(self) -> None:
        """End this process once the answers under way are out."""
        if self._has_ended:
            return
        self.has_begun = self._has_ended = True
        for task in self._tasks:
            task.cancel()
        me: Any = ray.get_runtime_context().current_actor
        me.exit.remote()

    def cancel_at_end(self, task: asyncio.Task[None]) -> None:
        """Cancel the task when this process ends."""
        self._tasks.append(task)

    def end_if_unused(self, is_used: Callable[[], bool]) -> None:
        """End this process later if it is not used by then: its starter may have died before its first call.

        A thread waits for that: while an actor is made, it has no event loop yet.
        """

        def look() -> None:
            if not is_used():
                self.end()

        timer = threading.Timer(self._settings.leave_seconds, look)
        timer.daemon = True
        timer.start()

    async def close(self) -> None:
        """Take this host off the list of hosts, and close what is open; the process ends after this."""
        if not self._load.is_dedicated:
            with suppress(StoreError):
                await self._services.store.hosts.forget(self._load.name)
        await self._services.mcp.aclose()
        await self._services.store.aclose()

    async def _hand_over(self, conversation_id: str) -> None:
        """Have another host go on with what was stopped here; if that fails, the sweep finds it."""
        try:
            await self._wake(conversation_id)
        except Exception as error:  # noqa: BLE001 - it must not keep the others from leaving
            log.warning("not_handed_over", conversation_id=conversation_id, cause=str(error))

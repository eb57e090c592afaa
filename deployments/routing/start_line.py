"""The line in which dedicated actors are started: one after another, and no more at once than the nodes have cores.

Each process that has a door keeps its own conversations in the cluster's one line, which is in the store. If it dies,
their turns are in the index of unfinished turns, where the recovery sweep finds them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from agents.codec import wire_live
from agents.turn.live import Starting
from deployments.routing.control_plane import ControlPlane, cluster_name
from deployments.routing.errors import DeploymentError
from store import Store, StoreError
from store.registries.starts import OF_ANOTHER

log = structlog.get_logger(__name__)

T = TypeVar("T")

RENEWAL_SECONDS = 0.25
REPEAT_SECONDS = 3.0
"""How often watchers are told a place that has not changed: some have only just come."""
MAX_LINE = 1000
"""With so many conversations in the line, new messages to conversations that would join it are refused."""


@dataclass(slots=True, eq=False)
class Entry:
    """A conversation in the line; its watchers know its `place` in `turn`, and hear it under `epoch`.

    Without a turn no message waits for the start, and watchers are told nothing. One that yields lets others pass.
    """

    conversation_id: str
    turn: int | None
    epoch: int
    yields: bool = False
    place: int | None = None
    told_at: float = 0.0
    may_begin: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


class StartLine:
    """Of one door."""

    def __init__(self, store: Store, control_plane: ControlPlane) -> None:
        self._store = store
        self._control_plane = control_plane
        self._entries: dict[str, Entry] = {}
        self._at_once = 1
        self._renewing: asyncio.Task[None] | None = None

    def __contains__(self, conversation_id: str) -> bool:
        return conversation_id in self._entries

    async def is_full(self) -> bool:
        """Raises `store.StoreUnavailable`."""
        return (await self._store.starts.demand(cluster_name())).in_line >= MAX_LINE

    async def entered(self) -> frozenset[str]:
        """The conversations that any process of the cluster has in the line. Raises `store.StoreUnavailable`."""
        return await self._store.starts.entered(cluster_name())

    def enter(
        self,
        conversation_id: str,
        turn: int | None,
        epoch: int,
        start: Callable[[], Awaitable[object]],
        *,
        yields: bool = False,
    ) -> None:
        """Call `start` when it is this conversation's turn; one that is in the line already keeps its place."""
        if conversation_id in self._entries:
            self._entries[conversation_id].epoch = epoch
        else:
            entry = self._entries[conversation_id] = Entry(conversation_id, turn, epoch, yields)
            entry.task = asyncio.create_task(self._run(entry, start))
            if self._renewing is None or self._renewing.done():
                self._renewing = asyncio.create_task(self._renew())

    def leave(self, conversation_id: str) -> bool:
        """The conversation need not be started any more; whether this process had it in the line."""
        entry = self._entries.pop(conversation_id, None)
        if entry is not None and entry.task is not None:
            entry.task.cancel()
        return entry is not None

    async def release(self, conversation_id: str) -> None:
        """Let the next one begin, though this one has not been started yet: it waits for what no other one waits for.

        Raises `store.StoreUnavailable`.
        """
        await self._store.starts.release(cluster_name(), conversation_id)

    async def wait(self, conversation_id: str) -> None:
        """Return when the conversation has been started, or is not in the line of this process."""
        entry = self._entries.get(conversation_id)
        if entry is not None and entry.task is not None:
            await asyncio.wait([entry.task])

    def close(self) -> None:
        """Leave with all conversations, since this process ends."""
        for conversation_id in tuple(self._entries):
            self.leave(conversation_id)

    async def _run(self, entry: Entry, start: Callable[[], Awaitable[object]]) -> None:
        try:
            await entry.may_begin.wait()
            await start()
        except Exception as error:  # noqa: BLE001 - the recovery sweep tries again
            log.warning("not_started", conversation_id=entry.conversation_id, cause=str(error) or type(error).__name__)
        finally:
            if self._entries.get(entry.conversation_id) is entry:
                del self._entries[entry.conversation_id]
            if entry.conversation_id not in self._entries and entry.place != OF_ANOTHER:
                with suppress(StoreError):
                    await self._store.starts.leave(cluster_name(), entry.conversation_id)

    async def _renew(self) -> None:
        """Renew all entries of this process while there are any."""
        while entries := list(self._entries.values()):
            try:
                self._at_once = max(1, sum(node.cores for node in await self._control_plane.nodes()))
                places = await self._store.starts.line_up(
                    cluster_name(),
                    [entry.conversation_id for entry in entries],
                    self._at_once,
                    {entry.conversation_id for entry in entries if entry.yields},
                )
            except (StoreError, DeploymentError) as error:
                log.info("line_not_renewed", cause=str(error))
            else:
                for entry, place in zip(entries, places, strict=True):
                    if self._entries.get(entry.conversation_id) is entry:
                        self._take_place(entry, place)
            await asyncio.sleep(RENEWAL_SECONDS)

    def _take_place(self, entry: Entry, place: int) -> None:
        known, entry.place = entry.place, place
        if place == OF_ANOTHER:
            self.leave(entry.conversation_id)
            return
        now = time.monotonic()
        if entry.turn is not None and (place != known or now - entry.told_at > REPEAT_SECONDS):
            entry.told_at = now
            event = wire_live(Starting(turn=entry.turn, place=place), entry.conversation_id)
            self._store.live.publish(entry.conversation_id, entry.epoch, event)
        if place == 0:
            entry.may_begin.set()

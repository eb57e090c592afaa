"""What a host does beside its calls: it reports its load, gives way to newer code, and lets idle conversations go."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from agents.conversation import Conversation
from deployments.host.activations import Activations
from deployments.host.eviction import Eviction
from deployments.host.load import HostLoad
from deployments.host.shutdown import Shutdown
from deployments.routing.code_version import CodeVersion
from store import Store

log = structlog.get_logger(__name__)

ROUND_SECONDS = 1.0
CODE_CHECK_SECONDS = 5.0
"""How often a host asks whether there is newer code."""
MAX_LEAVING = 100
"""How many conversations a host with older code lets go in one round, so that the log's server does not feel it."""


class Housekeeping:
    """Of one host: a round each second, from its first conversation on. `wake` activates a conversation."""

    def __init__(
        self,
        version: CodeVersion,
        store: Store,
        load: HostLoad,
        activations: Activations,
        eviction: Eviction,
        shutdown: Shutdown,
        wake: Callable[[str], Awaitable[object]],
    ) -> None:
        self.has_begun = False
        self._version = version
        self._store = store
        self._load = load
        self._activations = activations
        self._eviction = eviction
        self._shutdown = shutdown
        self._wake = wake
        self._making_room = asyncio.Lock()
        self._is_outdated = False
        self._next_code_check = 0.0

    def begin(self) -> None:
        """Begin with the rounds, unless they have begun."""
        if not self.has_begun:
            self.has_begun = True
            self._shutdown.cancel_at_end(asyncio.create_task(self._run()))

    async def make_room(self) -> bool:
        """Let the longest idle conversations go; whether there is room then. Of calls at once, each finds a place."""
        async with self._making_room:
            if not self._shutdown.has_begun and not self._load.has_room():
                await self._let_go(await self._eviction.longest_idle(self._activations.active()))
            return not self._shutdown.has_begun and self._load.has_room()

    async def _run(self) -> None:
        while not self._shutdown.has_begun:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                await self._load.report()
                await self._give_way_to_newer_code()
                await self._evict()
            except Exception:
                log.exception("host_not_tended", host=self._load.name)

    async def _give_way_to_newer_code(self) -> None:
        """Once there is newer code, let go of what rests, and end when nothing is left: it starts again over there."""
        if not self._is_outdated:
            now = asyncio.get_running_loop().time()
            if now < self._next_code_check:
                return
            self._next_code_check = now + CODE_CHECK_SECONDS
            self._is_outdated = await self._store.code_versions.current() > self._version.number
        if self._is_outdated:
            active = self._activations.active()
            resting = [conversation for conversation in active if conversation.resting_since is not None]
            for conversation in resting[:MAX_LEAVING]:
                await conversation.leave()
            if not self._activations:
                self._shutdown.end()

    async def _evict(self) -> None:
        await self._let_go(await self._eviction.due(self._activations.active()))
        for conversation_id in self._eviction.expired():
            await self._wake(conversation_id)
        if self._eviction.may_host_end(self._load.is_dedicated, len(self._activations)):
            self._shutdown.end()

    async def _let_go(self, conversations: Iterable[Conversation]) -> None:
        """Let them leave, except if they have got work meanwhile."""
        for conversation in conversations:
            if await conversation.leave():
                self._activations.remove(conversation)  # at once: the caller counts on its room
            else:
                self._eviction.note_active(conversation)

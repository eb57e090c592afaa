"""What a host does beside its calls: it reports its load, gives way to newer code, and lets idle conversations go."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

import structlog

from agents.conversation import Conversation
from agents.errors import Superseded
from agents.turn.states import ExitReason
from deployments.host.activations import Activations
from deployments.host.eviction import Eviction
from deployments.host.load import HostLoad
from deployments.host.moves import Moves
from deployments.host.shutdown import Shutdown
from deployments.routing.code_version import CodeVersion
from deployments.routing.placement import has_newer_host
from store import ConversationNotFound, Store

log = structlog.get_logger(__name__)

ROUND_SECONDS = 1.0
CODE_CHECK_SECONDS = 5.0
"""How often a host asks whether there is newer code."""
SUCCESSOR_SECONDS = 60.0
"""How long an actor waits for a host of the newer code, which may be unable to start on its node."""
MAX_LEAVING = 100
"""How many conversations a host with older code lets go in one round, so that the log's server does not feel it."""


class Housekeeping:
    """Of one host: a round at once when it begins, and then each second. `wake` activates a conversation."""

    def __init__(
        self,
        version: CodeVersion,
        store: Store,
        load: HostLoad,
        activations: Activations,
        eviction: Eviction,
        shutdown: Shutdown,
        moves: Moves,
        wake: Callable[[str], Awaitable[object]],
    ) -> None:
        self.has_begun = False
        self._version = version
        self._store = store
        self._load = load
        self._activations = activations
        self._eviction = eviction
        self._shutdown = shutdown
        self._moves = moves
        self._wake = wake
        self._making_room = asyncio.Lock()
        self._is_outdated = False
        self._newer_since: float | None = None
        self._has_successor = False
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
            for chore in (self._load.report, self._give_way_to_newer_code, self._evict, self._move):
                try:
                    await chore()
                except Exception:
                    log.exception("host_not_tended", host=self._load.name, chore=chore.__name__)
            await asyncio.sleep(ROUND_SECONDS)

    async def _give_way_to_newer_code(self) -> None:
        """Once there is newer code, let go of what rests, and end when nothing is left: it starts again over there."""
        if not self._is_outdated:
            now = asyncio.get_running_loop().time()
            if now < self._next_code_check:
                return
            self._next_code_check = now + CODE_CHECK_SECONDS
            self._is_outdated = await self._is_replaced(now)
        if self._is_outdated:
            active = self._activations.active()
            resting = [conversation for conversation in active if conversation.resting_since is not None]
            for conversation in resting[:MAX_LEAVING]:
                with self._contained_failure(conversation.id):
                    await conversation.leave(ExitReason.REDEPLOYED)
            if not self._activations:
                self._shutdown.end()

    async def _is_replaced(self, now: float) -> bool:
        """Whether newer code serves: it was deployed, and a host of it answered when this was asked before.

        Meanwhile the replicas of this code have made way: they would start anew the hosts that they miss.
        """
        if await self._store.code_versions.current() <= self._version.number:
            return False
        if self._newer_since is None:
            self._newer_since = now
        had_successor = self._has_successor
        self._has_successor = has_newer_host(self._load.name, self._version.number, await self._store.hosts.loads())
        return (had_successor and self._has_successor) or now - self._newer_since > SUCCESSOR_SECONDS

    async def _evict(self) -> None:
        await self._let_go(await self._eviction.due(self._activations.active()))
        for conversation_id in self._eviction.expired():
            self._eviction.forget(conversation_id)  # whatever comes of it: what cannot be woken must not keep the host
            with self._contained_failure(conversation_id):
                await self._wake(conversation_id)
        if self._eviction.may_host_end(self._load.is_dedicated, len(self._activations)):
            if await self._load.is_needed():
                self._eviction.keep_host()
            elif not self._activations:
                self._shutdown.end()

    async def _move(self) -> None:
        if self._load.is_dedicated:
            await self._let_go((one, ExitReason.MOVED) for one in self._moves.due_back())
        elif not self._is_outdated:
            self._moves.begin_next()

    async def _let_go(self, due: Iterable[tuple[Conversation, ExitReason]]) -> None:
        """Let them leave, except if they have got work meanwhile."""
        for conversation, reason in due:
            with self._contained_failure(conversation.id):
                if await conversation.leave(reason):
                    self._activations.remove(conversation)  # at once: the caller counts on its room
                else:
                    self._eviction.note_active(conversation)

    @contextmanager
    def _contained_failure(self, conversation_id: str) -> Iterator[None]:
        """What fails at one conversation stops nothing else; what is unfinished in it, the sweep finds."""
        try:
            yield
        except (ConversationNotFound, Superseded) as error:  # it has been deleted, or lives elsewhere by now
            log.info("conversation_gone", conversation_id=conversation_id, cause=str(error))
        except Exception:
            log.exception("conversation_not_tended", conversation_id=conversation_id)

"""Moves conversations at rest out of a shared host, each into an actor of its own, once they go on; and back."""

import asyncio
from weakref import WeakSet

import structlog
from ray.exceptions import RayError

from agents.clock import now_ms
from agents.conversation import Conversation
from agents.errors import AgentError
from agents.turn.states import ExitReason
from deployments.host.activations import Activations
from deployments.routing.control_plane import Actor
from deployments.routing.door import Door
from deployments.routing.errors import DeploymentError
from store import Store, StoreError

log = structlog.get_logger(__name__)

RECENT_MS = 30_000
"""A conversation that has rested for longer is not about to go on: it moves after its next turn."""
SHOWN_TURNS = 2
"""With so many turns a conversation has shown that it goes on. Many have but one, and never need a process."""
REST_SECONDS, LOOK_SECONDS = 30.0, 0.02
"""How long its own actor waits until a conversation rests, which is looked for so often."""
HAND_OVER_SECONDS = 10.0
"""How long commands wait while a conversation is handed over; it is a claim and a read of its working set."""


class Moves:
    """Of one host. Out of a shared one moves one conversation at a time, in the cluster's line of starts.

    The new actor is made while the conversation goes on here. Then, at rest, it leaves here and is claimed there;
    commands that come meanwhile wait, and are sent on. Whatever dies on the way, the conversation rests in its log, and
    its next message finds or makes a place for it.
    """

    def __init__(self, store: Store, activations: Activations, door: Door) -> None:
        self._store = store
        self._activations = activations
        self._door = door
        self._stay = WeakSet[Conversation]()
        self._moving: dict[str, asyncio.Future[bool]] = {}
        self._task: asyncio.Task[None] | None = None

    def begin_next(self) -> None:
        """Begin to move a conversation that has shown that it goes on, if there is one and none is moving."""
        if self._task is None or self._task.done():
            since = now_ms() - RECENT_MS
            due = [conversation for conversation in self._activations.active() if self._is_due(conversation, since)]
            if due:
                self._task = asyncio.create_task(self._move(max(due, key=lambda one: one.resting_since or 0)))

    def due_back(self) -> list[Conversation]:
        """In an actor of its own: its conversation, if it rests and is only here because it was set apart."""
        resting = (one for one in self._activations.active() if one.resting_since is not None)
        return [one for one in resting if one.meta.lost.count and self._door.launcher.belongs_in_host(one.meta)]

    async def has_moved(self, conversation_id: str) -> bool:
        """Whether the conversation has just been handed over; while it is, this waits."""
        moving = self._moving.get(conversation_id)
        return moving is not None and await asyncio.shield(moving)

    def _is_due(self, conversation: Conversation, since: int) -> bool:
        """Whether it came to rest `since` then, and should move; most rest for longer, and are asked nothing more."""
        rested = conversation.resting_since
        if rested is None or rested < since or conversation in self._stay or not conversation.may_move:
            return False
        return bool(conversation.agent.ray) or conversation.inspect().turn >= SHOWN_TURNS

    async def _move(self, conversation: Conversation) -> None:
        try:
            meta = await self._store.registry.get(conversation.id)
            if not self._door.launcher.may_move(meta):
                self._stay.add(conversation)
                return
            actor = await self._door.ahead.start(meta)
            if actor is not None and not await self._hand_over(conversation, actor):
                await self._door.ahead.end(actor)
        except (StoreError, AgentError, DeploymentError, RayError, TimeoutError) as error:
            log.info("not_moved", conversation_id=conversation.id, cause=str(error) or type(error).__name__)

    async def _hand_over(self, conversation: Conversation, actor: Actor) -> bool:
        """Whether the conversation lives there from now on; it stays if it does not come to rest for a while."""
        deadline = asyncio.get_running_loop().time() + REST_SECONDS
        while not conversation.gone.done() and asyncio.get_running_loop().time() < deadline:
            if conversation.may_move and await self._try_to_hand_over(conversation, actor):
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False

    async def _try_to_hand_over(self, conversation: Conversation, actor: Actor) -> bool:
        """False if it has got work in the last moment."""
        moving = self._moving[conversation.id] = asyncio.get_running_loop().create_future()
        has_left = False
        try:
            has_left = await conversation.leave(ExitReason.MOVED)
            if has_left:
                async with asyncio.timeout(HAND_OVER_SECONDS):
                    await self._door.ahead.wake(actor, conversation.id)
                log.info("conversation_moved", conversation_id=conversation.id)
            return has_left
        finally:
            del self._moving[conversation.id]
            moving.set_result(has_left)

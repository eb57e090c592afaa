"""Who lives, and where: asked of the control plane by actor state, and then of the hosts themselves."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import ray
import structlog
from ray.exceptions import RayActorError, RayError

from agents.conversation import ConversationStatus
from deployments.routing.control_plane import Actor, ControlPlane
from deployments.routing.errors import ControlPlaneUnavailable, Unreachable
from deployments.routing.placement import is_dedicated
from store import Store, StoreError

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

ANSWER_SECONDS = 5.0
"""A host never waits, so it answers at once; one that takes longer is stopped, or blocked by what runs in it."""
LAST_CHANCE_SECONDS = 10.0
"""The same before it is killed: a machine may be busy."""


class Liveness:
    """Of one process. A host that answers nobody is noted in the store, so that no door places anybody in it."""

    def __init__(self, cluster: ControlPlane, store: Store) -> None:
        self._control_plane = cluster
        self._store = store

    async def lost(self, places: Mapping[str, str | None]) -> tuple[list[str], dict[str, list[str]]]:
        """Those of these conversations whose actors are gone, and the others by the name of their actor.

        Raises `ControlPlaneUnavailable`: then nobody can tell.
        """
        living = await self._control_plane.living()
        lost: list[str] = []
        elsewhere: dict[str, list[str]] = {}
        for conversation_id, place in places.items():
            if place is None or place not in living:
                lost.append(conversation_id)
            else:
                elsewhere.setdefault(place, []).append(conversation_id)
        return lost, elsewhere

    async def missing(self, place: str, conversation_ids: Sequence[str]) -> Sequence[str]:
        """Those that the actor does not know; none when it cannot be asked: it may just be busy."""
        try:
            return await self._ask(place, lambda actor: actor.missing.remote(conversation_ids), conversation_ids)
        except (Unreachable, ControlPlaneUnavailable) as error:
            log.warning("host_not_asked", host=place, conversations=len(conversation_ids), cause=str(error))
            return ()

    async def statuses(self, place: str, conversation_ids: Sequence[str]) -> Mapping[str, ConversationStatus]:
        """What those that live there show of themselves. Raises `Unreachable` when the actor answers nobody."""

        async def each(actor: Actor) -> Mapping[str, ConversationStatus]:
            seen = await asyncio.gather(*(actor.inspect.remote(key) for key in conversation_ids))
            return {key: status for key, status in zip(conversation_ids, seen, strict=True) if status is not None}

        nobody: Mapping[str, ConversationStatus] = {}
        return await self._ask(place, each, nobody)

    async def drop(self, place: str, conversation_id: str) -> bool:
        """Have the actor drop a conversation at once; one that answers nobody is killed, with all that is in it.

        True if it was killed. Its other conversations are then woken elsewhere, if there is something to do in them.
        """
        try:
            await self._ask(place, lambda actor: actor.dismiss.remote(conversation_id), None, LAST_CHANCE_SECONDS)
        except Unreachable:
            log.warning("host_killed", host=place, conversation=conversation_id)
            await self._kill(place)
            return True
        return False

    async def _ask(
        self,
        place: str,
        question: Callable[[Actor], Awaitable[Answer]],
        if_gone: Answer,
        patience: float = ANSWER_SECONDS,
    ) -> Answer:
        """Raises `Unreachable` for an actor that lives, or should, and does not answer."""
        try:
            actor = await self._control_plane.find(place)
            if actor is None:
                return if_gone
            return await asyncio.wait_for(question(actor), patience)
        except TimeoutError as error:
            await self.note_silence(place)
            raise Unreachable(place) from error
        except RayActorError:
            return if_gone
        except RayError as error:
            raise Unreachable(place) from error

    async def note_silence(self, place: str) -> None:
        """Whoever looks for a place in a shared host passes this one by, until it says something again."""
        if is_dedicated(place):
            return
        try:
            await self._store.hosts.report_silence(place)
        except StoreError as error:
            log.info("silence_not_noted", host=place, cause=str(error))

    async def _kill(self, place: str) -> None:
        actor = await self._control_plane.find(place)
        if actor is not None:
            await self._control_plane.ask(place, lambda: ray.kill(actor))

"""Which actors live, and what lives in them: the control plane is asked first, then the hosts themselves."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import ray
import structlog
from ray.exceptions import RayActorError, RayError

from agents.conversation import ConversationStatus
from deployments.routing.control_plane import Actor, ControlPlane
from deployments.routing.errors import ControlPlaneUnavailable, Unreachable
from deployments.routing.host_reports import HostReport, as_report, question
from deployments.routing.placement import is_dedicated
from store import Store, StoreError

log = structlog.get_logger(__name__)

T = TypeVar("T")

ANSWER_SECONDS = 5.0
"""A host never waits, so it answers at once; a host that takes longer is stopped, or blocked by a tool in it."""
LAST_CHANCE_SECONDS = 10.0
"""The same before it is killed: a machine may be busy."""


class Whereabouts(NamedTuple):
    """The conversations whose actors are gone, and the others by the name of their actor."""

    lost: list[str]
    live: dict[str, list[str]]


class Liveness:
    """One per door. A host that does not answer is noted in the store, so that no door places a conversation in it."""

    def __init__(self, control_plane: ControlPlane, store: Store) -> None:
        self._control_plane = control_plane
        self._store = store

    async def locate(self, places: Mapping[str, str | None]) -> Whereabouts:
        """Which of these conversations have a live actor; `places` are the actors where they should be, by their ids.

        Raises `ControlPlaneUnavailable`.
        """
        live_actors = await self._control_plane.live_actors()
        whereabouts = Whereabouts([], {})
        for conversation_id, place in places.items():
            if place is None or place not in live_actors:
                whereabouts.lost.append(conversation_id)
            else:
                whereabouts.live.setdefault(place, []).append(conversation_id)
        return whereabouts

    async def missing(self, place: str, conversation_ids: Sequence[str]) -> Sequence[str]:
        """The conversations that the actor does not have; none when it cannot be asked: it may just be busy."""
        try:
            return await self._ask(place, lambda actor: actor.missing.remote(conversation_ids), conversation_ids)
        except (Unreachable, ControlPlaneUnavailable) as error:
            log.warning("host_not_asked", host=place, conversations=len(conversation_ids), cause=str(error))
            return ()

    async def lives_elsewhere(self, conversation_id: str, here: str) -> bool:
        """Whether another actor than `here` has the conversation, and says so.

        A writer that has noted its end is not asked for. One that is silent is fenced by the next claim: it must not
        keep the conversation from going on. Raises `ControlPlaneUnavailable`, `store.StoreUnavailable`.
        """
        place = await self._store.registry.place_of_writer(conversation_id)
        if place is None or place == here:
            return False
        asked: Sequence[str] = [conversation_id]
        try:
            return not await self._ask(place, lambda actor: actor.missing.remote(asked), asked)
        except Unreachable:
            log.warning("silent_writer_fenced", conversation_id=conversation_id, place=place)
            return False

    async def statuses(self, place: str, conversation_ids: Sequence[str]) -> Mapping[str, ConversationStatus]:
        """The status of each conversation that lives there. Raises `Unreachable` when the actor does not answer."""

        async def inspect_all(actor: Actor) -> Mapping[str, ConversationStatus]:
            seen = await asyncio.gather(*(actor.inspect.remote(key) for key in conversation_ids))
            return {key: status for key, status in zip(conversation_ids, seen, strict=True) if status is not None}

        none_live: Mapping[str, ConversationStatus] = {}
        return await self._ask(place, inspect_all, none_live)

    async def report(self, place: str, limit: int) -> HostReport | None:
        """What the actor tells of itself, with at most `limit` conversations; None if it is gone, or has older code.

        Raises `Unreachable` when it does not answer.
        """
        return as_report(await self._ask(place, lambda actor: actor.inspect.remote(question(limit)), None))

    async def drop(self, place: str, conversation_id: str) -> bool:
        """Have the actor drop a conversation at once; an actor that does not answer is killed, with all that is in it.

        True if it was killed. Its other conversations are then woken elsewhere, if there is something to do in them.
        """
        try:
            await self._ask(place, lambda actor: actor.dismiss.remote(conversation_id), None, LAST_CHANCE_SECONDS)
        except Unreachable:
            log.warning("host_killed", host=place, conversation_id=conversation_id)
            await self._kill(place)
            return True
        return False

    async def note_silence(self, place: str) -> None:
        """From now on doors pass this shared host by, until it reports again."""
        if is_dedicated(place):
            return
        try:
            await self._store.hosts.report_silence(place)
        except StoreError as error:
            log.info("silence_not_noted", host=place, cause=str(error))

    async def _ask(
        self, place: str, question: Callable[[Actor], Awaitable[T]], if_gone: T, patience: float = ANSWER_SECONDS
    ) -> T:
        """Raises `Unreachable` when the actor lives, or should, and does not answer."""
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

    async def _kill(self, place: str) -> None:
        actor = await self._control_plane.find(place)
        if actor is not None:
            await self._control_plane.ask(place, lambda: ray.kill(actor))

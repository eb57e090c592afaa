"""Turns that make no progress: found in the index of unfinished turns, asked what they wait for, and named."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from agents.clock import now_ms
from agents.conversation import ConversationStatus
from deployments.background.periodic import run_periodically
from deployments.routing.door import Door
from deployments.routing.errors import Unreachable
from store import ConversationMeta, Store

log = structlog.get_logger(__name__)

MAX_PERIOD_SECONDS = 30.0
MAX_TURNS = 1000
NAMED_AT_LOOK = 2


@dataclass(frozen=True, slots=True)
class StuckTurn:
    """`progress_at` (ms) is when it last made progress; `place` is the actor in which it should live.

    `waits_for` has the kinds of `ConversationStatus`, or `{"kind": "host", "name": place}` if that actor does not
    answer, or `{"kind": "owner"}` if the turn lives nowhere although it is woken again and again.
    """

    conversation_id: str
    agent: str
    progress_at: int
    waits_for: Sequence[Mapping[str, str]]
    place: str | None


class StuckTurns:
    """Finds such turns when it is asked, and names them in the logs by itself."""

    def __init__(self, store: Store, door: Door, cluster: str, seconds: float) -> None:
        self._cluster = cluster
        self._store = store
        self._door = door
        self._patience_ms = round(seconds * 1000)
        self._looks: dict[tuple[str, int], int] = {}

    async def run(self) -> None:
        """Name each such turn once, until cancelled."""
        await run_periodically(self._look, min(self._patience_ms / 4000, MAX_PERIOD_SECONDS), "stuck_turns_unknown")

    async def find(self) -> list[StuckTurn]:
        """The turns without progress for as long as the settings say, longest first; only those of this cluster.

        Raises `ControlPlaneUnavailable`, `store.StoreUnavailable`.
        """
        due = await self._store.registry.unfinished(now_ms() - self._patience_ms, MAX_TURNS)
        if not due:
            return []
        ours = await self._store.registry.places(due, await self._store.clusters.report(self._cluster))
        metas = {meta.id: meta for meta in await self._store.registry.get_many(list(ours))}
        lost, live = await self._door.liveness.locate({key: meta.place for key, meta in metas.items()})
        nowhere = [_stuck(metas[key], metas[key].updated_at, [{"kind": "owner"}]) for key in lost]
        asked = await asyncio.gather(
            *(self._find_at(place, [metas[key] for key in keys]) for place, keys in live.items())
        )
        found = [*nowhere, *(turn for turns in asked for turn in turns)]
        return sorted(found, key=lambda turn: (turn.progress_at, turn.conversation_id))

    async def _find_at(self, place: str, metas: Sequence[ConversationMeta]) -> list[StuckTurn]:
        """The stuck turns in one actor; all of them, if it does not answer."""
        try:
            statuses = await self._door.liveness.statuses(place, [meta.id for meta in metas])
        except Unreachable:
            return [_stuck(meta, meta.updated_at, [{"kind": "host", "name": place}]) for meta in metas]
        seen = ((meta, statuses[meta.id]) for meta in metas if meta.id in statuses)
        return [_stuck(meta, at.progress_at, at.waits_for) for meta, at in seen if self._is_stuck(at)]

    def _is_stuck(self, status: ConversationStatus) -> bool:
        return bool(status.waits_for) and status.progress_at <= now_ms() - self._patience_ms

    async def _look(self) -> None:
        """Name each turn once, and not before the second look: a turn that has just been woken may still go on."""
        found = await self.find()
        looks = self._looks
        self._looks = {}
        for turn in found:
            key = (turn.conversation_id, turn.progress_at)
            self._looks[key] = looks.get(key, 0) + 1
            if self._looks[key] == NAMED_AT_LOOK:
                log.warning(
                    "turn_is_stuck",
                    conversation_id=turn.conversation_id,
                    agent=turn.agent,
                    seconds=(now_ms() - turn.progress_at) // 1000,
                    waits_for=turn.waits_for,
                    place=turn.place,
                )


def _stuck(meta: ConversationMeta, progress_at: int, waits_for: Sequence[Mapping[str, str]]) -> StuckTurn:
    return StuckTurn(meta.id, meta.agent, progress_at, waits_for, meta.place)

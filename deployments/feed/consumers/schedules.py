"""Has the scheduler look at a run as soon as the feed says that its turn has ended, or that it asks people."""

from collections.abc import Callable, Sequence
from typing import Final

from agents.clock import now_ms
from deployments.feed.consumer import FeedServices
from deployments.schedules.outcomes import schedule_id_in
from store import Store
from store.feed.entry import FeedEntry

HEARD: Final = frozenset(
    {"turn_ended", "question_asked", "question_answered", "question_expired", "conversation_deleted"}
)


class ScheduledRuns:
    """What has become of a run is in the log; the entry says when to read it. So one that is lost only costs time."""

    name = "schedules"

    def __init__(self, store: Store, clock: Callable[[], int] = now_ms) -> None:
        self._store = store
        self._clock = clock

    async def take(self, entries: Sequence[FeedEntry]) -> None:
        """However often the same entries come, the runs are the same. Raises StoreUnavailable."""
        heard = (entry for entry in entries if entry.type in HEARD and entry.root == entry.conversation_id)
        concerned = list(dict.fromkeys(entry.conversation_id for entry in heard))
        found = [own for conversation_id in concerned if (own := schedule_id_in(conversation_id)) is not None]
        for speaking in (await self._store.schedules.speaking_to(concerned)).values():
            found += speaking
        await self._store.schedules.look_now(list(dict.fromkeys(found)), self._clock())


def make(services: FeedServices) -> ScheduledRuns:
    """For the engine of the feed."""
    return ScheduledRuns(services.store)

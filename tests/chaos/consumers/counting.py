"""A consumer of the feed that counts: it notes each end of a turn in the ledger, under the id of the entry as its key.

The folder of this file is one more in which the engine looks for consumers, see `tests.chaos.agents.catalog`.
"""

import asyncio
from collections.abc import Sequence

from deployments.feed.consumer import FeedServices
from store.feed.entry import FeedEntry
from tests.chaos.ledger import Ledger

WORK_SECONDS = 0.01
"""Before each note, so that a process can die with a part of what it was given done."""


class CountingConsumer:
    """An entry that comes again is noted again, under the same key: as an effect it counts once."""

    name = "chaos"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def take(self, entries: Sequence[FeedEntry]) -> None:
        for entry in entries:
            if entry.type == "turn_ended":
                await asyncio.sleep(WORK_SECONDS)
                outcome, turn = entry.data["outcome"], entry.data["turn"]
                self._ledger.note("heard", key=entry.id, conversation=entry.conversation_id, turn=turn, outcome=outcome)


def make(services: FeedServices) -> CountingConsumer:
    return CountingConsumer(Ledger(services.settings.data_dir))

"""Keeps the lists of conversations: enters what a crash kept out of one, and moves what was active to the front."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from deployments.feed.consumer import FeedServices
from store import Store
from store.feed.entry import FeedEntry
from store.registries.lists import lists_of_owner

CHANGING: Final = frozenset({"conversation_created", "conversation_renamed", "members_changed"})
"""What changes in which lists a conversation is, or where in the order of titles."""
ACTIVE: Final = frozenset({"turn_started", "turn_ended"})


class ListKeeper:
    """Does again what was done beside the change itself, so that a crash in between leaves no trace.

    The lists of a tenant and of all conversations are moved here alone: many at once, and no turn waits for it.
    """

    name = "lists"

    def __init__(self, store: Store) -> None:
        self._store = store

    async def take(self, entries: Sequence[FeedEntry]) -> None:
        """However often the same entries come, the lists are the same."""
        changed = dict.fromkeys(entry.conversation_id for entry in entries if entry.type in CHANGING)
        metas = await self._store.registry.get_many(list(changed)) if changed else ()
        if metas:
            await self._store.lists.put(metas)
        await self._store.lists.touch_many(_activity(entries))


def _activity(entries: Sequence[FeedEntry]) -> Mapping[str, Mapping[str, int]]:
    """For each list, when (ms) which conversations were active; what a sub-agent does is its parent's activity."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for entry in entries:
        if entry.type in ACTIVE and entry.root == entry.conversation_id:
            for name in lists_of_owner(entry.owner):
                found[name][entry.conversation_id] = max(found[name].get(entry.conversation_id, 0), entry.at)
    return found


def make(services: FeedServices) -> ListKeeper:
    """For the engine of the feed."""
    return ListKeeper(services.store)

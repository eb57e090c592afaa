"""Tells people what happens in their conversations: a copy for each owner and member, in the feed of that person."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Final

from deployments.batches.definition import row_of
from deployments.batches.outcomes import FIRST_TURN
from deployments.feed.consumer import FeedServices
from store import ConversationMeta, Store
from store.feed.entry import FeedEntry
from store.registries.personal_feeds import PersonalEvent

TOLD: Final = frozenset(
    [
        "conversation_created",
        "conversation_renamed",
        "conversation_archived",
        "conversation_restored",
        "conversation_deleted",
        "members_changed",
        "turn_started",
        "turn_ended",
        "question_asked",
        "question_answered",
        "question_expired",
        "schedule_changed",
        "schedule_paused",
        "schedule_run_started",
        "schedule_run_ended",
    ]
)
UNTOLD_DATA: Final = frozenset({"root", "parent", "members"})
MAX_AT_ONCE: Final = 64
"""So many people are told at the same time."""


class People:
    """The conversations of sub-agents are left out: what they ask is asked in the conversation that they work for."""

    name = "people"

    def __init__(self, store: Store) -> None:
        self._store = store

    async def take(self, entries: Sequence[FeedEntry]) -> None:
        """Told twice is told once: each person's feed knows what it has. Raises StoreUnavailable."""
        told = [entry for entry in entries if _is_told(entry)]
        if not told:
            return
        metas = {meta.id: meta for meta in await self._store.registry.get_many(sorted({entry.root for entry in told}))}
        events: defaultdict[str, list[PersonalEvent]] = defaultdict(list)
        for entry in told:
            for person in _audience(entry, metas.get(entry.root)):
                events[person].append(PersonalEvent(entry.root, entry.id, _event(entry), _is_last(entry, person)))
        people = list(events)
        for start in range(0, len(people), MAX_AT_ONCE):
            some = people[start : start + MAX_AT_ONCE]
            await asyncio.gather(*(self._store.personal_feeds.tell(person, events[person]) for person in some))


def make(services: FeedServices) -> People:
    return People(services.store)


def _is_told(entry: FeedEntry) -> bool:
    """Of the thousands of rows of a batch people hear what they are asked, and what happens there after that.

    Of a run of a schedule that has nothing to say, they are not told its end.
    """
    if entry.type not in TOLD or entry.root != entry.conversation_id or entry.data.get("quiet"):
        return False
    is_row = row_of(entry.conversation_id) is not None and entry.data.get("turn", FIRST_TURN) == FIRST_TURN
    return not is_row or entry.type.startswith("question_") or entry.type == "members_changed"


def _audience(entry: FeedEntry, meta: ConversationMeta | None) -> Collection[str]:
    """Who is told: who may read the conversation now, and who has just lost it."""
    people = {entry.owner}
    if meta is not None and meta.principal == entry.owner:  # else it is gone, or another one has its id
        people |= set(meta.members)
    if entry.type == "conversation_deleted":
        people |= set(entry.data["members"])
    elif entry.type == "members_changed":
        people.add(entry.data["principal"])
    return people


def _is_last(entry: FeedEntry, person: str) -> bool:
    """Whether nothing that the person was told of the conversation before is kept: it is gone, or is none of theirs."""
    is_removal = entry.type == "members_changed" and entry.data["role"] is None and entry.data["principal"] == person
    return is_removal or entry.type == "conversation_deleted"


def _event(entry: FeedEntry) -> dict[str, Any]:
    data = {name: value for name, value in entry.data.items() if name not in UNTOLD_DATA}
    subject = "schedule_id" if entry.type.startswith("schedule_") else "conversation_id"
    return {"type": entry.type, subject: entry.conversation_id, "at": entry.at, **data}

"""The audit: who has called, decided and shared what, and what was deleted, as the feed tells it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from agents.clock import now_ms
from deployments.feed.consumer import FeedServices
from store.audit.audit_log import AuditLog
from store.audit.lines import AuditEvent
from store.feed.entry import FeedEntry
from store.principals import tenant_name_of

PRINCIPAL: Final[Mapping[str, str]] = {
    "tool_called": "principal",
    "tool_finished": "principal",
    "question_answered": "principal",
    "members_changed": "by",
    "conversation_deleted": "by",
    "conversation_archived": "by",
    "conversation_restored": "by",
}
"""The key that says who has acted; a type that is not here has no such person."""
OUTCOME: Final[Mapping[str, str]] = {"tool_finished": "status", "question_answered": "decision"}
SAID: Final[Mapping[str, Sequence[str]]] = {
    "tool_called": ("turn", "tool_call_id", "name", "arguments_hash", "executor", "approval", "trust"),
    "tool_finished": ("turn", "tool_call_id", "name"),
    "question_asked": ("turn", "tool_call_id", "kind", "name", "approvers", "expires_at"),
    "question_answered": ("tool_call_id", "arguments_hash"),
    "question_expired": ("tool_call_id",),
    "members_changed": ("principal", "role"),
    "conversation_deleted": ("members",),
    "conversation_archived": (),
    "conversation_restored": (),
}
"""The types that the audit has lines of, with the keys of their data that are in it: no text of people or models."""


class Audit:
    """Writes the lines of each tenant in the order of the feed; an entry that comes again has its line already."""

    name = "audit"

    def __init__(self, audit: AuditLog, clock: Callable[[], int] = now_ms) -> None:
        self._audit = audit
        self._clock = clock

    async def take(self, entries: Sequence[FeedEntry]) -> None:
        """Raises StoreUnavailable."""
        events: dict[str, list[AuditEvent]] = defaultdict(list)
        for entry in entries:
            if entry.type in SAID:
                events[tenant_name_of(entry.owner)].append(_event(entry))
        for tenant, told in events.items():
            await self._audit.append(tenant, told, self._clock())


def make(services: FeedServices) -> Audit:
    """The consumer of a replica."""
    return Audit(services.store.audit)


def _event(entry: FeedEntry) -> AuditEvent:
    principal, outcome = PRINCIPAL.get(entry.type, ""), OUTCOME.get(entry.type, "")
    return AuditEvent(
        id=f"feed:{entry.partition}:{entry.id}",
        type=entry.type,
        at=entry.at,
        principal=entry.data.get(principal),
        on_behalf_of=entry.owner,
        conversation_id=entry.conversation_id,
        outcome=entry.data.get(outcome),
        data=dict(_said(entry)),
    )


def _said(entry: FeedEntry) -> Iterator[tuple[str, Any]]:
    for key in SAID[entry.type]:
        if (value := entry.data.get(key)) is not None:
            yield key, value
    if entry.root != entry.conversation_id:
        yield "root", entry.root

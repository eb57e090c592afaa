"""Finds lines of the audit by what they say."""

from dataclasses import dataclass
from typing import Any, Final

from store.audit.audit_log import PAGE, AuditLog
from store.audit.lines import AuditLine

MAX_READ: Final = 5000
"""Lines that one search looks at."""
CLOCKS_MS: Final = 300_000
"""How far the clocks of processes may differ: what happened since a time is not written earlier than so long before."""


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What a line must say to be found; None: anything. Times are in ms, of when it happened; `until` is not in it.

    A principal is found where it has acted, and where something was done on its behalf.
    """

    type: str | None = None
    principal: str | None = None
    conversation_id: str | None = None
    since: int | None = None
    until: int | None = None

    def finds(self, said: dict[str, Any]) -> bool:
        """Whether a line that says this is found."""
        return (
            (self.type is None or said["type"] == self.type)
            and (self.principal is None or self.principal in (said.get("principal"), said.get("on_behalf_of")))
            and (self.conversation_id is None or said.get("conversation_id") == self.conversation_id)
            and (self.since is None or said["at"] >= self.since)
            and (self.until is None or said["at"] < self.until)
        )


async def search(
    audit: AuditLog, tenant: str, query: AuditQuery, *, limit: int, before: int | None = None
) -> tuple[list[AuditLine], int | None]:
    """Up to `limit` lines in front of seq `before`, the newest first, and the `before` of the next page.

    A page may have fewer lines, even none, and not be the last: a search looks at 5,000 lines at most. None says that
    there is nothing more. Raises StoreUnavailable.
    """
    found: list[AuditLine] = []
    for _ in range(0, MAX_READ, PAGE):
        page = await audit.read_back(tenant, before=before, limit=PAGE)
        for line in page:
            said, before = line.fields(), line.seq
            if query.since is not None and said["recorded_at"] < query.since - CLOCKS_MS:
                return found, None
            if query.finds(said):
                found.append(line)
            if len(found) == limit:
                return found, before
        if len(page) < PAGE:
            return found, None
    return found, before

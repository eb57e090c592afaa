"""Keeps a long log small: what no replay needs any more goes to the archive, beside the work."""

import structlog

from agents.conversation.runtime import ConversationRuntime
from store import Archive, StoreError

RETRY_MS = 30_000
"""How long an archive is left alone that has just failed."""

log = structlog.get_logger(__name__)


class Archiving:
    """Of one incarnation. Whatever goes wrong, the conversation goes on, and the log stays whole."""

    def __init__(self, runtime: ConversationRuntime) -> None:
        self._work = runtime
        self._archive = runtime.services.store.archive
        self._busy = False
        self._not_before = 0

    def consider(self) -> None:
        """The conversation has come to rest: begin, if there is enough to move. Returns at once."""
        if self._archive is None or self._busy or self._work.services.clock() < self._not_before:
            return
        if self._movable(self._archive) is not None:
            self._busy = True
            self._work.in_background("archiving", self._move(self._archive))

    def _movable(self, archive: Archive) -> int | None:
        """Up to where nobody needs the log for a replay, nor is it among the newest; None if that fills no segment."""
        history, archived = self._work.history, self._work.journal.archived_seq
        if history.summary is None:
            return None
        upto = min(history.summary.after, history.facts.last_seq - archive.keep_events)
        return upto if upto - archived >= archive.segment_events else None

    async def _move(self, archive: Archive) -> None:
        journal = self._work.journal
        try:
            while (upto := self._movable(archive)) is not None:  # more may come while some is moved
                await journal.archive(upto)
            log.info("archived", conversation=journal.conversation_id, archived_seq=journal.archived_seq)
        except StoreError as error:
            self._not_before = self._work.services.clock() + RETRY_MS
            log.warning("archiving_failed", conversation=journal.conversation_id, cause=str(error))
        finally:
            self._busy = False

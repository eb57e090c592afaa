"""Keeps a long log small: moves the events that no replay needs to the archive, in the background."""

import structlog

from agents.conversation.runtime import ConversationRuntime
from store import Archive, StoreError

RETRY_MS = 30_000
"""How long after a failure the archive is not tried again."""

log = structlog.get_logger(__name__)


class Archiving:
    """Of one incarnation. After any error the conversation goes on, and its log is still whole."""

    def __init__(self, runtime: ConversationRuntime) -> None:
        self._runtime = runtime
        self._archive = runtime.services.store.archive
        self._is_moving = False
        self._not_before = 0

    def start_if_due(self) -> None:
        """Begin if there is enough to move; called whenever the conversation comes to rest. Returns at once."""
        if self._archive is None or self._is_moving or self._runtime.services.clock() < self._not_before:
            return
        if self._movable(self._archive) is not None:
            self._is_moving = True
            self._runtime.run_in_background("archiving", self._move(self._archive))

    def _movable(self, archive: Archive) -> int | None:
        """The last seq that neither a replay needs nor counts among the newest; None if that fills no segment."""
        history, archived = self._runtime.history, self._runtime.journal.archived_seq
        if history.summary is None:
            return None
        upto = min(history.summary.after, history.facts.last_seq - archive.keep_events)
        return upto if upto - archived >= archive.segment_events else None

    async def _move(self, archive: Archive) -> None:
        journal = self._runtime.journal
        try:
            while (upto := self._movable(archive)) is not None:  # the log may grow meanwhile
                await journal.archive(upto)
            log.info("archived", conversation_id=journal.conversation_id, archived_seq=journal.archived_seq)
        except StoreError as error:
            self._not_before = self._runtime.services.clock() + RETRY_MS
            log.warning("archiving_failed", conversation_id=journal.conversation_id, cause=str(error))
        finally:
            self._is_moving = False

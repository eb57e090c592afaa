"""The audit of failed attempts; it can never fail the job that it speaks of."""

from collections.abc import Callable
from typing import Any

import orjson
import structlog

from store import Store
from store.registries.jobs import JobRecord

log = structlog.get_logger(__name__)

KEPT_MS = 30 * 86_400_000
MAX_PAYLOAD_CHARS = 2_000
MAX_ERROR_CHARS = 2_000


class FailureAudit:
    """What has failed in the last thirty days."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock

    async def add(self, job: JobRecord, stage: str, error: str) -> None:
        """Note a failed attempt. Raises nothing: what cannot be noted is logged."""
        try:
            now = self._clock()
            entry = {
                "at": now,
                "job": job.id,
                "type": job.type,
                "owner": job.owner,
                "stage": stage,
                "attempt": job.attempts,
                "conversation": job.conversation,
                "payload": job.payload[: 4 * MAX_PAYLOAD_CHARS].decode(errors="replace")[:MAX_PAYLOAD_CHARS],
                "error": error[:MAX_ERROR_CHARS],
            }
            await self._store.failures.add(orjson.dumps(entry), now=now, kept_ms=KEPT_MS)
        except Exception as trouble:  # noqa: BLE001 - whatever it is, the job goes on
            log.warning("failure_not_noted", job_id=job.id, cause=str(trouble))

    async def find(
        self,
        *,
        limit: int,
        since: int = 0,
        until: int | None = None,
        stage: str | None = None,
        type_name: str | None = None,
        conversation: str | None = None,
        owner: Callable[[str], bool] = lambda _: True,
    ) -> list[dict[str, Any]]:
        """At most `limit` entries from `since` (ms) on and before `until`, the newest first."""
        now = self._clock()
        wanted = {"stage": stage, "type": type_name, "conversation": conversation}
        asked = {name: value for name, value in wanted.items() if value is not None}
        found: list[dict[str, Any]] = []
        async for raw in self._store.failures.walk(max(since, now - KEPT_MS), now + 1 if until is None else until):
            entry = orjson.loads(raw)
            if all(entry[name] == value for name, value in asked.items()) and owner(entry["owner"]):
                found.append(entry)
            if len(found) >= limit:
                break
        return found

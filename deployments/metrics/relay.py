"""Metrics of actors that have one conversation each: they go to a replica of the ingress, which hands them to Ray.

Ray labels every series with the process that reports it, and there may be as many such actors as conversations: each
would be as many series of its own as there are in the table.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

import orjson
import structlog

from deployments.metrics.recorder import Amounts, Labels, Recorder
from deployments.metrics.table import TABLE
from store import StoreError
from store.registries.relayed_metrics import RelayedMetrics

log = structlog.get_logger(__name__)

PERIOD_SECONDS: Final = 10.0
"""How often an actor sends what it has counted."""
REST_SECONDS: Final = 60.0
"""How often one that has counted nothing says that its conversation is still there."""
FORGOTTEN_SECONDS: Final = 150.0
"""An actor that has said nothing for so long is gone."""


class MetricsRelay:
    """Sends what one actor has counted. `state` says in which state its conversation is; None: there is none."""

    def __init__(
        self,
        recorder: Recorder,
        reports: RelayedMetrics,
        place: str,
        state: Callable[[], str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorder = recorder
        self._reports = reports
        self._place = place
        self._state = state
        self._clock = clock
        self._sent_at = float("-inf")

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            await self.send()

    async def send(self, *, is_last: bool = False) -> None:
        """Send what was counted since, if there is anything to say; what could not be sent is sent with the next."""
        amounts = self._recorder.take()
        now = self._clock()
        if not (amounts or is_last or now - self._sent_at >= REST_SECONDS):
            return
        report = Report(self._place, None if is_last else self._state(), amounts)
        try:
            await self._reports.put(report.encode())
        except StoreError as error:
            self._recorder.add(amounts, {metric.name: metric for metric in TABLE})
            log.warning("metrics_not_sent", cause=str(error))
        else:
            self._sent_at = now


class Report(NamedTuple):
    """`state` is None when the actor ends."""

    place: str
    state: str | None
    amounts: Amounts

    def encode(self) -> bytes:
        return orjson.dumps([self.place, self.state, *self.amounts])

    @classmethod
    def decode(cls, data: bytes) -> "Report":
        """Raises ValueError, TypeError for what no code of ours has written."""
        place, state, counts, distributions = orjson.loads(data)
        return cls(place, state, Amounts([tuple(one) for one in counts], [tuple(one) for one in distributions]))


class RelayReceiver:
    """Takes the reports, in the process that has the lease; it counts them as its own, and knows who is there."""

    def __init__(
        self, recorder: Recorder, reports: RelayedMetrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._recorder = recorder
        self._reports = reports
        self._clock = clock
        self._known = {metric.name: metric for metric in TABLE}
        self._states: dict[str, tuple[str, float]] = {}

    async def receive(self) -> None:
        """Take what is there. Raises StoreUnavailable."""
        while taken := await self._reports.take():
            for data in taken:
                try:
                    self._take(Report.decode(data))
                except (ValueError, TypeError) as error:
                    log.warning("report_not_read", cause=str(error))

    def states(self) -> dict[Labels, float]:
        """How many actors have a conversation in which state, as `CONVERSATIONS` has it."""
        since = self._clock() - FORGOTTEN_SECONDS
        self._states = {place: known for place, known in self._states.items() if known[1] >= since}
        counts = Counter(state for state, _ in self._states.values())
        return {(state, "dedicated"): float(count) for state, count in counts.items()}

    def forget(self) -> None:
        """Another process takes the reports now."""
        self._states.clear()

    def _take(self, report: Report) -> None:
        if report.state is None:
            self._states.pop(report.place, None)
        else:
            self._states[report.place] = (report.state, self._clock())
        self._recorder.add(report.amounts, self._known)

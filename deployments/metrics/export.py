"""Hands what a process has recorded over to Ray, from which Prometheus and Ray's dashboard get it.

Everything is given to Ray as a gauge, the sums of counters and histograms as well:

- Ray's agent keeps a counter of each process that ever lived on its node; a gauge that is not renewed is forgotten.
- It makes one call for each value of a histogram, and only guesses their sum. Here the buckets are counted where the
  values are recorded, and handed over as they are; Prometheus does not care who has counted.
- A series can begin at zero. Otherwise the first failure in a process would be a series that begins at one, in which
  Prometheus sees no increase.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import structlog
from ray.util.metrics import Gauge

from deployments.metrics.recorder import Recorder, Sample
from deployments.metrics.table import TABLE, Metric
from deployments.ray_internals.metrics_report import report_seconds

log = structlog.get_logger(__name__)

PERIOD_SECONDS: Final = 5.0
"""How often a process hands over what it has recorded, or as often as Ray reports, if that is more often.

Its agent forgets a gauge that was not set for two reports.
"""
Watch = Callable[[], Awaitable[None] | None]
"""Sets gauges to what is now; called each time before the values are handed over."""


class Values(Protocol):
    """Where values go: `ray.util.metrics.Gauge`."""

    def set(self, value: float, tags: dict[str, str]) -> None: ...


class RayGauges:
    """The gauges of Ray in this process. A series is zero until Ray has reported it once."""

    def __init__(
        self,
        make: Callable[[str, str, tuple[str, ...]], Values] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._gauges = {
            (metric, suffix): (make or _gauge)(f"{metric.exported}{suffix}", metric.meaning, _tag_keys(metric, suffix))
            for metric in TABLE
            for suffix in suffixes(metric)
        }
        self._begun: dict[tuple[object, ...], float] = {}
        self.report_seconds = report_seconds()

    def hand_over(self, samples: Sequence[Sample]) -> None:
        """Set each series to its value."""
        now = self._clock()
        for metric, labels, value, suffix, le in samples:
            if metric.kind != "gauge":
                begun = self._begun.setdefault((metric, labels, suffix, le), now)
                if now - begun < self.report_seconds:
                    value = 0.0
            tags = {label.name: given for label, given in zip(metric.labels, labels, strict=True)}
            if le is not None:
                tags["le"] = le
            self._gauges[metric, suffix].set(value, tags)


class Export:
    """Of one process: hands its recorder's values over until it is cancelled."""

    def __init__(self, recorder: Recorder, watches: Sequence[Watch] = (), gauges: RayGauges | None = None) -> None:
        self._recorder = recorder
        self._watches = watches
        self._gauges = gauges or RayGauges()

    async def run(self) -> None:
        """Until cancelled; what fails is logged, and tried again."""
        while True:
            await self.hand_over()
            await asyncio.sleep(min(PERIOD_SECONDS, self._gauges.report_seconds))

    async def hand_over(self) -> None:
        """Once. A watch that fails keeps nothing else from being handed over."""
        for watch in self._watches:
            try:
                if (watching := watch()) is not None:
                    await watching
            except Exception as error:  # noqa: BLE001 - what cannot be seen now is seen later
                log.warning("metrics_not_seen", watch=getattr(watch, "__qualname__", "?"), cause=str(error))
        try:
            self._gauges.hand_over(list(self._recorder.samples()))
        except Exception:
            log.exception("metrics_not_handed_over")


def suffixes(metric: Metric) -> tuple[str, ...]:
    """What the names of a metric's series have behind its own."""
    return ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)


def _gauge(name: str, meaning: str, tag_keys: tuple[str, ...]) -> Values:
    return Gauge(name, meaning, tag_keys)


def _tag_keys(metric: Metric, suffix: str) -> tuple[str, ...]:
    names = tuple(label.name for label in metric.labels)
    return (*names, "le") if suffix == "_bucket" else names

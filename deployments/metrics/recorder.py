"""Records metrics in the memory of one process: a dictionary look-up and an addition for each, and no call of Ray.

A call of `ray.util.metrics` takes 1.3 to 2 µs, many times as long, and Ray's agent then makes a call of its own for
each value of a histogram. So values are summed up here, and handed over now and then (deployments/metrics/export.py).
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, product
from typing import NamedTuple

from deployments.metrics.table import OTHER, Label, Metric

Labels = tuple[str, ...]
Key = tuple[Metric, Labels]


class Sample(NamedTuple):
    """A series and its value now; `suffix` is what a histogram's name has behind it, `le` the bound of a bucket."""

    metric: Metric
    labels: Labels
    value: float
    suffix: str = ""
    le: str | None = None


class Distribution:
    """The buckets of one series of a histogram."""

    __slots__ = ("counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0


class Recorder:
    """One per process, used in its event loop.

    No call raises for what a label says: a value that is neither in the table nor learnt is recorded as `other`.
    """

    def __init__(self) -> None:
        self._known: dict[Label, frozenset[str]] = {}
        self._totals: dict[Key, float] = {}
        self._distributions: dict[Key, Distribution] = {}
        self._gauges: dict[Key, float] = {}

    def learn(self, label: Label, values: Iterable[str]) -> None:
        """Say which values there are of a label that the table leaves open; before anything is recorded with it."""
        self._known[label] = frozenset(values)

    def begin(self, *metrics: Metric) -> None:
        """Let all series of these counters and histograms be there from now on, at zero: what is rare is seen then."""
        for metric in metrics:
            for labels in product(*(sorted(self._values(label)) for label in metric.labels)):
                if metric.kind == "histogram":
                    self._distribution((metric, labels))
                else:
                    self.count(metric, *labels, by=0)

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Add to a counter; the labels are in the order of the table."""
        key = (metric, labels)
        total = self._totals.get(key)
        if total is None:
            key = self._bounded(key, "counter")
            total = self._totals.get(key, 0)
        self._totals[key] = total + by

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add a value to a histogram."""
        key = (metric, labels)
        distribution = self._distributions.get(key) or self._distribution(key)
        distribution.counts[bisect_left(metric.bounds, value)] += 1
        distribution.total += value

    def set(self, metric: Metric, values: Mapping[Labels, float]) -> None:
        """Say what a gauge is now, with all of its series: one that is not among them is gone."""
        for key in [key for key in self._gauges if key[0] is metric]:
            del self._gauges[key]
        for labels, value in values.items():
            key = self._bounded((metric, labels), "gauge")
            self._gauges[key] = self._gauges.get(key, 0) + value

    def samples(self) -> Iterable[Sample]:
        """All series; counters and histograms since the process began, the buckets of a histogram added up."""
        for source in (self._totals, self._gauges):
            for (metric, labels), value in source.items():
                yield Sample(metric, labels, value)
        for (metric, labels), distribution in self._distributions.items():
            counts = list(accumulate(distribution.counts))
            for bound, count in zip((*map(format_bound, metric.bounds), "+Inf"), counts, strict=True):
                yield Sample(metric, labels, count, "_bucket", bound)
            yield Sample(metric, labels, counts[-1], "_count")
            yield Sample(metric, labels, distribution.total, "_sum")

    def take(self) -> "Amounts":
        """What has been recorded since it was last taken, gauges excepted; for another process's recorder."""
        counts = [(metric.name, labels, total) for (metric, labels), total in self._totals.items() if total]
        distributions = [
            (metric.name, labels, [*one.counts], one.total)
            for (metric, labels), one in self._distributions.items()
            if any(one.counts)
        ]
        self._totals.clear()
        self._distributions.clear()
        return Amounts(counts, distributions)

    def add(self, amounts: "Amounts", table: Mapping[str, Metric]) -> None:
        """Add what another process has taken; what this one does not know, since its code differs, is left out."""
        for name, labels, total in amounts.counts:
            if (metric := table.get(name)) is not None and len(labels) == len(metric.labels):
                self.count(metric, *labels, by=total)
        for name, labels, counts, total in amounts.distributions:
            metric = table.get(name)
            if metric is None or len(labels) != len(metric.labels) or len(counts) != len(metric.bounds) + 1:
                continue
            distribution = self._distribution((metric, tuple(labels)))
            distribution.counts = [before + more for before, more in zip(distribution.counts, counts, strict=True)]
            distribution.total += total

    def _distribution(self, key: Key) -> Distribution:
        key = self._bounded(key, "histogram")
        if (found := self._distributions.get(key)) is None:
            found = self._distributions[key] = Distribution(key[0].bounds)
        return found

    def _bounded(self, key: Key, kind: str) -> Key:
        metric, labels = key
        assert metric.kind == kind, f"{metric.name} is no {kind}"
        assert len(labels) == len(metric.labels), f"{metric.name} has the labels {metric.labels}"
        bounded = []
        for label, value in zip(metric.labels, labels, strict=True):
            bounded.append(str(value) if value in self._values(label) else OTHER)
        return metric, tuple(bounded)

    def _values(self, label: Label) -> frozenset[str]:
        return self._known.get(label, frozenset()) if label.values is None else label.values


class Amounts(NamedTuple):
    """What one process has counted: sums by name and labels, and buckets with their sum."""

    counts: Sequence[tuple[str, Sequence[str], float]]
    distributions: Sequence[tuple[str, Sequence[str], Sequence[int], float]]

    def __bool__(self) -> bool:
        return bool(self.counts or self.distributions)


def format_bound(bound: float) -> str:
    """A bound as the label `le` has it."""
    return f"{bound:g}"

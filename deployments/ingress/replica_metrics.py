"""What a replica of the ingress records: refusals, streams, recoveries, and what its store tells."""

from agents.agent import Catalog
from deployments.feed.engine import FeedEngine
from deployments.ingress.limits import ReplicaLimits
from deployments.ingress.problems import PROBLEM_TYPES
from deployments.metrics import table
from deployments.metrics.cluster import ClusterMetrics
from deployments.metrics.conversations import StoreMetrics, learn_names
from deployments.metrics.export import Export
from deployments.metrics.recorder import Recorder
from deployments.work.job_type import JOB_TYPES
from store import Store


class ReplicaMetrics:
    """Of one replica, whose agents are those of the catalog; all job types must be imported."""

    def __init__(self, catalog: Catalog) -> None:
        self.recorder = Recorder()
        self.of_store = StoreMetrics(self.recorder)
        learn_names(self.recorder, catalog)
        self.recorder.learn(table.PROBLEM, PROBLEM_TYPES)
        self.recorder.learn(table.JOB, JOB_TYPES)
        self.recorder.begin(table.RECOVERIES, table.RECOVERY_SECONDS, table.SCHEDULE_RUNS, table.SCHEDULE_LATE_SECONDS)

    def export(self, store: Store, cluster: str, feed: FeedEngine, limits: ReplicaLimits) -> Export:
        """Hands over what is recorded, and what is there when it looks."""
        self.recorder.learn(table.GROUP, feed.names)

        def count_streams() -> None:
            self.recorder.set(table.STREAMS, {(): limits.streams.in_use})

        return Export(self.recorder, [count_streams, ClusterMetrics(self.recorder, store, cluster).look])

"""What a host records: what its conversations tell, how they are activated, and in which states they are."""

from collections import Counter

from agents.agent import Catalog
from agents.turn.states import ExitReason
from deployments.host.activations import Activations
from deployments.host.eviction import Eviction
from deployments.metrics import table
from deployments.metrics.conversations import ConversationMetrics, StoreMetrics
from deployments.metrics.export import Export
from deployments.metrics.recorder import Recorder
from deployments.metrics.relay import MetricsRelay
from deployments.overview.recent import RecentFigures
from store import ConversationMeta
from store.registries.relayed_metrics import RelayedMetrics


class HostMetrics:
    """Of one host, whose agents are those of the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.recorder = Recorder()
        self.recent = RecentFigures()
        self.of_conversations = ConversationMetrics(self.recorder, catalog, self.recent)
        self.of_store = StoreMetrics(self.recorder)
        self.recorder.begin(table.ACTIVATIONS, table.EVICTIONS)

    def note_activation(self, meta: ConversationMeta, seconds: float, *, hibernated: bool) -> None:
        """An incarnation has begun; `meta` is what was known of the conversation before."""
        kind = _kind_of(meta, hibernated=hibernated)
        self.recorder.count(table.ACTIVATIONS, kind)
        self.recorder.observe(table.ACTIVATION_SECONDS, seconds, kind)

    def count_conversations(self, activations: Activations, eviction: Eviction) -> None:
        """Say how many conversations are in which state; of a host that is shared."""
        states = Counter(conversation.state.value for conversation in activations.active())
        states["hibernating"] = eviction.hibernating
        self.recorder.set(table.CONVERSATIONS, {(state, "shared"): count for state, count in states.items()})

    async def run(self, activations: Activations, eviction: Eviction) -> None:
        """Hand over what a shared host records, until cancelled."""
        await Export(self.recorder, [lambda: self.count_conversations(activations, eviction)]).run()

    def relay(self, reports: RelayedMetrics, place: str, activations: Activations, eviction: Eviction) -> MetricsRelay:
        """What sends on what the actor of a single conversation records."""

        def state() -> str | None:
            living = next(iter(activations.active()), None)
            if living is None:
                return "hibernating" if eviction.hibernating else None
            return living.state.value

        return MetricsRelay(self.recorder, reports, place, state)


def _kind_of(meta: ConversationMeta, *, hibernated: bool) -> str:
    if meta.ended == ExitReason.CRASH:
        return "recovered"
    if hibernated:
        return "warm"
    return "moved" if meta.ended == ExitReason.MOVED else "cold"

"""What metrics cost: the processor time of all that one turn records, and of handing the sums over.

    python -m benchmarks.metrics

It starts nothing. A turn of the offline assistant takes 2.0 ms of CPU (docs/performance.md).
"""

import time
from collections.abc import Callable, Mapping

from agents.agent import Catalog
from agents.examples import assistant
from agents.models import ScriptedModel, Step
from deployments.metrics.conversations import ConversationMetrics, StoreMetrics
from deployments.metrics.export import RayGauges
from deployments.metrics.recorder import Recorder
from deployments.overview.recent import RecentFigures

TURN_US = 2000.0
"""The processor time of a turn, in µs."""
MODEL, TOOL = "claude-sonnet-4-5", "calculate"
USED = {"input_tokens": 900, "output_tokens": 40, "cache_read_input_tokens": 700, "cache_creation_input_tokens": 10}


class _Discarding:
    def set(self, value: float, tags: dict[str, str]) -> None: ...


def measure(turns: int = 20_000) -> Mapping[str, float]:
    """Processor time in µs: of the metrics of a `turn`, and of one `hand_over` without Ray's own part."""
    model = ScriptedModel([Step("Yes.")], name=MODEL)
    catalog, recorder = Catalog((assistant(model),)), Recorder()
    metrics, store = ConversationMetrics(recorder, catalog, RecentFigures()), StoreMetrics(recorder)
    gauges = RayGauges(lambda *_: _Discarding())
    return {
        "turn": _cpu_us(lambda: record_turn(metrics, store), turns),
        "hand_over": _cpu_us(lambda: gauges.hand_over(list(recorder.samples())), 200),
        "series": len(list(recorder.samples())),
    }


def record_turn(metrics: ConversationMetrics, store: StoreMetrics) -> None:
    """What a turn with one call of a tool records: two calls of the model, each with its use, and five appends."""
    for call in range(2):
        if not call:
            metrics.note_first_token("assistant", 0.4)
        metrics.note_usage(f"{MODEL}-20250929", USED, 0)
        metrics.note_usage(f"{MODEL}-20250929", {"output_tokens": 200}, 8100)
        metrics.note_model_call(MODEL, "completed", 200, 1.3)
    metrics.note_tool_call(TOOL, "ok", 0.02)
    for _ in range(5):
        store.note_append("written", 0.0011)
    metrics.note_turn("assistant", "completed", 2.9, waited=False)


def _cpu_us(work: Callable[[], object], times: int) -> float:
    work()
    begun = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - begun) / times * 1e6


if __name__ == "__main__":
    found = measure()
    print(f"a turn records for {found['turn']:.1f} µs of CPU: {found['turn'] / TURN_US:.2%} of {TURN_US / 1000} ms")
    print(f"{found['series']:.0f} series are handed over in {found['hand_over'] / 1000:.2f} ms, without Ray's part")

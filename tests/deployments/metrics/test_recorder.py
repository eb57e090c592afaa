"""What a process records: sums and buckets, with labels that are never anything but known values."""

from typing import Any

import pytest

from agents.agent import Catalog
from agents.examples import assistant, researcher
from agents.models import ScriptedModel, Step
from agents.turn.states import ExitReason
from deployments.metrics import table
from deployments.metrics.conversations import ConversationMetrics, learn_names, nearest
from deployments.metrics.export import RayGauges
from deployments.metrics.recorder import Recorder, Sample
from deployments.metrics.table import TABLE
from deployments.overview.recent import RecentFigures
from tests.support.metric_values import values


def test_every_label_of_the_table_has_values_or_a_place_where_they_come_from() -> None:
    opened = {label.name for metric in TABLE for label in metric.labels if label.values is None}
    assert opened == {"agent", "model", "tool", "job", "group", "problem"}
    assert not {label.name for metric in TABLE for label in metric.labels if label.name.endswith("id")}
    assert len({metric.name for metric in TABLE}) == len(TABLE)
    assert all((metric.kind == "counter") == metric.name.endswith("_total") for metric in TABLE)
    assert all(bool(metric.bounds) == (metric.kind == "histogram") for metric in TABLE)
    assert all(list(metric.bounds) == sorted(set(metric.bounds)) for metric in TABLE)


def test_sums_are_kept_by_label() -> None:
    recorder = Recorder()
    recorder.learn(table.AGENT, ["assistant"])
    for agent, outcome in (("assistant", "completed"), ("assistant", "completed"), ("assistant", "failed")):
        recorder.count(table.TURNS, agent, outcome)
    assert values(recorder) == {
        ("turns_total", "assistant", "completed"): 2,
        ("turns_total", "assistant", "failed"): 1,
    }


@pytest.mark.parametrize("value", ["c-4711", "", "assistant ", "other"])
def test_a_value_that_is_not_known_is_other_however_many_there_are(value: str) -> None:
    recorder = Recorder()
    recorder.learn(table.AGENT, ["assistant"])
    for number in range(1000):
        recorder.count(table.TURNS, f"{value}{number}", f"outcome {number}")
        recorder.observe(table.TURN_SECONDS, 1.0, f"{value}{number}", "yes")
    assert {labels[1:] for labels in values(recorder)} == {("other", "other")} | {
        ("other", "yes", *rest) for rest in ((), *((le,) for le in bounds_of(table.TURN_SECONDS)))
    }
    assert len(recorder._totals) == len(recorder._distributions) == 1


def test_a_histogram_counts_each_value_in_every_bucket_that_holds_it() -> None:
    recorder = Recorder()
    for seconds in (0.001, 0.0011, 99.0):
        recorder.observe(table.APPEND_SECONDS, seconds, "written")
    found = values(recorder)
    assert found["append_seconds_bucket", "written", "0.001"] == 1
    assert found["append_seconds_bucket", "written", "0.0025"] == 2
    assert found["append_seconds_bucket", "written", "10"] == 2
    assert found["append_seconds_bucket", "written", "+Inf"] == found["append_seconds_count", "written"] == 3
    assert found["append_seconds_sum", "written"] == pytest.approx(99.0021)


def test_what_is_rare_is_there_from_the_beginning() -> None:
    recorder = Recorder()
    recorder.begin(table.RECOVERIES, table.RECOVERY_SECONDS, table.FENCED_WRITES)
    found = values(recorder)
    assert (
        found["recoveries_total", "woken"] == found["recoveries_total", "failed"] == found["fenced_writes_total",] == 0
    )
    assert found["recovery_seconds_bucket", "+Inf"] == 0


def test_a_gauge_has_the_series_that_it_was_last_given() -> None:
    recorder = Recorder()
    recorder.set(table.CONVERSATIONS, {("idle", "shared"): 2, ("streaming", "shared"): 1})
    recorder.set(table.STREAMS, {(): 7})
    recorder.set(table.CONVERSATIONS, {("idle", "shared"): 3})
    assert values(recorder) == {("conversations", "idle", "shared"): 3, ("streams",): 7}


def test_what_one_process_takes_another_one_adds() -> None:
    one, other = Recorder(), Recorder()
    for recorder in (one, other):
        recorder.count(table.EVICTIONS, ExitReason.IDLE)
        recorder.observe(table.RECOVERY_SECONDS, 0.3)
    other.add(one.take(), {metric.name: metric for metric in TABLE})
    assert values(one) == {}
    assert values(other)["evictions_total", "idle"] == 2
    assert values(other)["recovery_seconds_bucket", "0.5"] == values(other)["recovery_seconds_count",] == 2
    assert not one.take()


def test_what_code_of_another_version_has_taken_is_left_out_where_it_does_not_fit() -> None:
    one, other = Recorder(), Recorder()
    one.count(table.EVICTIONS, "idle")
    one.observe(table.RECOVERY_SECONDS, 0.3)
    one.observe(table.APPEND_SECONDS, 0.3, "written")
    known = {metric.name: metric for metric in TABLE}
    del known["evictions_total"]
    known["recovery_seconds"] = table.APPEND_SECONDS
    other.add(one.take(), known)
    assert {name for name, *_ in values(other)} == {
        "append_seconds_bucket",
        "append_seconds_count",
        "append_seconds_sum",
    }


class Gauges:
    """Stands where Ray's gauges do: the last value of each series."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self.now = 0.0

    def make(self, name: str, meaning: str, tag_keys: tuple[str, ...]) -> Any:
        outer = self

        class Gauge:
            def set(self, value: float, tags: dict[str, str]) -> None:
                assert set(tags) == set(tag_keys)
                outer.values[name, tuple(sorted(tags.items()))] = value

        return Gauge()


def test_a_sum_begins_at_zero_until_ray_has_reported_it() -> None:
    gauges, recorder = Gauges(), Recorder()
    ray = RayGauges(gauges.make, lambda: gauges.now)
    series = ("raylogue_turns_total", (("agent", "other"), ("outcome", "failed")))
    recorder.count(table.TURNS, "a", "failed")
    recorder.set(table.STREAMS, {(): 7})
    found = []
    for reports in (0.0, 0.9, 1.0, 9.0):
        gauges.now = reports * ray.report_seconds
        ray.hand_over(list(recorder.samples()))
        found.append((gauges.values[series], gauges.values["raylogue_streams", ()]))
    assert found == [(0, 7), (0, 7), (1, 7), (1, 7)]


def test_every_series_has_a_gauge_of_ray() -> None:
    gauges, recorder = Gauges(), Recorder()
    for metric in TABLE:
        labels = [*(next(iter(sorted(label.values or {"other"}))) for label in metric.labels)]
        match metric.kind:
            case "counter":
                recorder.count(metric, *labels)
            case "histogram":
                recorder.observe(metric, 1.0, *labels)
            case "gauge":
                recorder.set(metric, {tuple(labels): 1.0})
    samples: list[Sample] = list(recorder.samples())
    RayGauges(gauges.make).hand_over(samples)
    assert len(gauges.values) == len(samples)
    assert {name for name, _ in gauges.values} >= {metric.exported for metric in TABLE if metric.kind != "histogram"}


def test_the_names_of_the_catalog_are_known() -> None:
    model = ScriptedModel([Step("x")], name="claude-sonnet-4-5")
    catalog = Catalog((assistant(model), researcher(model, model)))
    recorder = Recorder()
    learn_names(recorder, catalog)
    metrics = ConversationMetrics(recorder, catalog, RecentFigures())
    for agent in ("assistant", "researcher", "researcher/scout", "assistant/general", "assistant/general/general/x"):
        metrics.note_turn(agent, "completed", 1.0, waited=False)
    for tool in ("calculate", "write_todos", "my_mcp__search"):
        metrics.note_tool_call(tool, "ok", 0.1)
    metrics.note_usage("claude-sonnet-4-5-20250929", {"input_tokens": 3, "output_tokens": 5}, 21)
    metrics.note_usage("gpt", {"cache_read_input_tokens": 3}, 0)
    found = values(recorder)
    agents = {labels[0] for name, *labels in found if name == "turns_total"}
    assert agents == {"assistant", "researcher", "researcher/scout", "assistant/general", "other"} & agents | {"other"}
    assert {"assistant", "researcher"} < agents
    assert {labels[0] for name, *labels in found if name == "tool_calls_total"} >= {"other"}
    assert found["tokens_total", "claude-sonnet-4-5", "input"] == 3
    assert found["tokens_total", "other", "cache_read"] == 3
    assert found["cost_dollars_total", "claude-sonnet-4-5"] == pytest.approx(0.000021)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claude-x", "claude-x"),
        ("claude-x-20250929", "claude-x"),
        ("claude-xl", "claude-xl"),
        ("claude-x-2-1", "claude-x-2"),
    ],
)
def test_a_dated_snapshot_is_its_model(name: str, expected: str) -> None:
    assert nearest(name, ["claude-x", "claude-x-2"]) == expected


def bounds_of(metric: table.Metric) -> list[str]:
    return [*(f"{bound:g}" for bound in metric.bounds), "+Inf"]

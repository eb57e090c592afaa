"""What is written from the table of metrics is up to date, and each metric of it is recorded somewhere."""

import json
import re

import pytest
import yaml

from deployments.metrics import table
from deployments.metrics.__main__ import ROOT, STATIC, written
from deployments.metrics.alerts import ALERTS
from deployments.metrics.dashboard import dashboard
from deployments.metrics.table import TABLE, Metric
from tests.house.tree import modules

NAME = re.compile(r"ray_raylogue_(\w+)")
SUFFIX = re.compile(r"_(?:bucket|sum|count)$")
NAMES = {name for name, value in vars(table).items() if isinstance(value, Metric)}
MADE_FROM_IT = {"table", "alerts", "dashboard", "page"}


@pytest.mark.parametrize("place", written(), ids=str)
def test_what_is_written_from_the_table_is_up_to_date(place: str) -> None:
    assert (ROOT / place).read_text() == written()[place], "run `make metrics`"


def test_the_rules_are_those_that_the_example_of_prometheus_loads() -> None:
    config = yaml.safe_load((ROOT / STATIC / "prometheus.yml").read_text())
    assert config["rule_files"] == ["alerts.yml"]
    assert (ROOT / STATIC / "alerts.yml").exists()


def test_every_metric_is_recorded() -> None:
    code = "\n".join(
        module.read_text()
        for module in modules("deployments")
        if module.parent.name != "metrics" or module.stem not in MADE_FROM_IT
    )
    assert {name for name in NAMES if not re.search(rf"\btable\.{name}\b", code)} == set()


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {SUFFIX.sub("", name) for name in NAME.findall(json.dumps(dashboard()["panels"]))}
    assert shown == {SUFFIX.sub("", metric.name) for metric in TABLE}


def test_rules_and_dashboard_ask_for_metrics_and_labels_that_there_are() -> None:
    asked = [alert.expression for alert in ALERTS]
    asked += [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    labels = {metric.name: {label.name for label in metric.labels} | {"SessionName"} for metric in TABLE}
    for expression in asked:
        for name, matches in re.findall(r"ray_raylogue_(\w+)(?:\{([^}]*)\})?", expression):
            metric = name if name in labels else SUFFIX.sub("", name)
            assert metric in labels, expression
            assert set(re.findall(r'(\w+)(?:=|=~|!=)"', matches)) <= labels[metric], expression


def test_the_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells

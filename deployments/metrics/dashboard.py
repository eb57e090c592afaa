"""The Grafana dashboard, written from the table: an overview, then a panel or two for each metric."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from deployments.metrics import table
from deployments.metrics.table import TABLE, Metric

UID: Final = "raylogue"
"""By which Ray's dashboard, and links, name it."""
SESSION: Final = 'SessionName=~"$SessionName"'
"""Of Ray's own labels; its dashboard gives the variable a value."""
INTERVAL: Final = "$__rate_interval"
WIDTH, HEIGHT, COLUMNS = 12, 8, 24
UNITS: Mapping[str, str] = {"seconds": "s", "US dollars": "currencyUSD"}
"""Grafana's names of units; all others are plain numbers."""

Json = dict[str, Any]


class Query(NamedTuple):
    """One line of a panel, or several with their labels in the legend."""

    expression: str
    legend: str


class Panel(NamedTuple):
    """`unit` is Grafana's."""

    title: str
    description: str
    unit: str
    queries: Sequence[Query]


def series(metric: Metric, suffix: str = "", *matches: str) -> str:
    """The metric as Prometheus names it, within the chosen session and these further matches."""
    return f"ray_{metric.exported}{suffix}{{{','.join((*matches, SESSION))}}}"


def rate(metric: Metric, by: Sequence[str] = (), suffix: str = "", *matches: str) -> str:
    """How much is added in a second, by labels."""
    grouped = f" by ({', '.join(by)})" if by else ""
    return f"sum{grouped} (rate({series(metric, suffix, *matches)}[{INTERVAL}]))"


def quantile(metric: Metric, share: float, by: Sequence[str] = ()) -> str:
    """The value that so many of all do not exceed."""
    return f"histogram_quantile({share:g}, {rate(metric, ('le', *by), '_bucket')})"


def overview() -> Iterator[Panel]:
    """What an operator looks at first."""
    failed = rate(table.TURNS, (), "", 'outcome="failed"')
    yield Panel(
        *("Turns a second", "Turns that have ended.", "short"),
        [Query(rate(table.TURNS, ["outcome"]), "{{outcome}}")],
    )
    yield Panel(
        *("Turns that fail", "Their share of all.", "percentunit"),
        [Query(f"({failed} or vector(0)) / {rate(table.TURNS)}", "failed")],
    )
    yield Panel(
        *("First token", "From the message in the log to the first words of the answer.", "s"),
        [Query(quantile(table.FIRST_TOKEN_SECONDS, share), f"p{share * 100:g}") for share in (0.5, 0.99)],
    )
    yield Panel(
        *("Cost an hour", "At the list prices of the models.", "currencyUSD"),
        [Query(f"3600 * {rate(table.COST, ['model'])}", "{{model}}")],
    )


def panels_of(metric: Metric) -> Iterator[Panel]:
    """One for what it counts; for times, one for how long, and one for how often."""
    names = [label.name for label in metric.labels]
    legend = " ".join(f"{{{{{name}}}}}" for name in names) or metric.name
    title = metric.name.removesuffix("_total").replace("_", " ").capitalize()
    match metric.kind:
        case "counter":
            yield Panel(f"{title} a second", metric.meaning, _unit(metric), [Query(rate(metric, names), legend)])
        case "gauge":
            together = "max" if metric.of_cluster else "sum"
            grouped = f" by ({', '.join(names)})" if names else ""
            expression = f"{together}{grouped} ({series(metric)})"
            yield Panel(title, metric.meaning, _unit(metric), [Query(expression, legend)])
        case "histogram":
            first = names[:1]
            shown = f" {{{{{first[0]}}}}}" if first else ""
            yield Panel(
                *(title, metric.meaning, _unit(metric)),
                [Query(quantile(metric, share, first), f"p{share * 100:g}{shown}") for share in (0.5, 0.99)],
            )
            times = title.removesuffix(" seconds")
            yield Panel(
                *(f"{times}: how many a second", metric.meaning, "short"),
                [Query(rate(metric, names, "_count"), legend)],
            )


def sections() -> Iterator[tuple[str, list[Panel]]]:
    """The rows of the dashboard, with their panels."""
    yield "Overview", list(overview())
    for subject in dict.fromkeys(metric.subject for metric in TABLE):
        yield subject, [panel for metric in TABLE if metric.subject == subject for panel in panels_of(metric)]


def dashboard() -> Json:
    """The whole, as Grafana imports it."""
    return {
        "uid": UID,
        "title": "Raylogue",
        "tags": ["raylogue"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_datasource(), _session()]},
        "panels": list(_placed()),
    }


def _placed() -> Iterator[Json]:
    number = y = 0
    for title, panels in sections():
        number += 1
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": _at(0, y, 1)}
        y += 1
        for place, panel in enumerate(panels):
            number += 1
            x = place * WIDTH % COLUMNS
            yield _panel(number, panel, _at(x, y + place * WIDTH // COLUMNS * HEIGHT, HEIGHT, WIDTH))
        y += -(-len(panels) * WIDTH // COLUMNS) * HEIGHT


def _panel(number: int, panel: Panel, place: Json) -> Json:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": source,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + i), "datasource": source, "expr": query.expression, "legendFormat": query.legend}
            for i, query in enumerate(panel.queries)
        ],
    }


def _at(x: int, y: int, height: int, width: int = COLUMNS) -> Json:
    return {"x": x, "y": y, "w": width, "h": height}


def _datasource() -> Json:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}


def _session() -> Json:
    return {
        "name": "SessionName",
        "label": "Ray session",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"query": f"label_values(ray_{table.STREAMS.exported}, SessionName)", "refId": "A"},
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
        "sort": 2,
    }


def _unit(metric: Metric) -> str:
    return UNITS.get(metric.unit, "short")

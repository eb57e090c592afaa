"""The tables of docs/metrics.md, written from the table of metrics and the alert rules."""

from collections.abc import Iterator

from deployments.metrics.alerts import ALERTS
from deployments.metrics.table import TABLE, Label

TABLES = "## Turns\n"
"""Where the tables begin; what stands before them is written by hand."""


def metrics_page(page: str) -> str:
    """The page as it is, with its tables as they should be."""
    prose, _, _ = page.partition(TABLES)
    return prose + "\n".join((*_tables(), *_alerts()))


def _tables() -> Iterator[str]:
    for subject in dict.fromkeys(metric.subject for metric in TABLE):
        yield f"## {subject}\n"
        yield "| Metric | Kind | Unit | Labels | Meaning |\n|---|---|---|---|---|"
        for metric in TABLE:
            if metric.subject == subject:
                labels = ", ".join(f"`{label.name}`" for label in metric.labels)
                meaning = f"{metric.meaning} Of the cluster." if metric.of_cluster else metric.meaning
                yield f"| `{metric.exported}` | {metric.kind} | {metric.unit} | {labels} | {meaning} |"
        yield ""
    yield "## Labels\n"
    yield "| Label | Of | Values | Meaning |\n|---|---|---|---|"
    for label, users in _labels().items():
        values = "from code" if label.values is None else ", ".join(f"`{value}`" for value in sorted(label.values))
        yield f"| `{label.name}` | {', '.join(f'`{user}`' for user in users)} | {values} | {label.meaning} |"
    yield ""


def _labels() -> dict[Label, list[str]]:
    """Each label with the metrics that have it."""
    users: dict[Label, list[str]] = {}
    for metric in TABLE:
        for label in metric.labels:
            users.setdefault(label, []).append(metric.name)
    return users


def _alerts() -> Iterator[str]:
    yield "## Alerts\n"
    yield "| Alert | Severity | After | It says | What to do |\n|---|---|---|---|---|"
    for alert in ALERTS:
        yield f"| `{alert.name}` | {alert.severity} | {alert.lasts} | {alert.summary} | {alert.action} |"
    yield ""

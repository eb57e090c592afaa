"""Writes what is made from the table: `make metrics`."""

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from deployments.metrics.alerts import rules
from deployments.metrics.dashboard import dashboard
from deployments.metrics.page import metrics_page

ROOT = Path(__file__).parents[2]
PAGE = Path("docs/metrics.md")
STATIC = Path("deployments/metrics/static")
ALERTS_HEADER = "# Alert rules for Prometheus, written from deployments/metrics/alerts.py by `make metrics`.\n"


def written() -> Mapping[Path, str]:
    """The files by their place in the repository."""
    return {
        PAGE: metrics_page((ROOT / PAGE).read_text()),
        STATIC / "raylogue_dashboard.json": json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n",
        STATIC / "alerts.yml": ALERTS_HEADER + yaml.safe_dump(rules(), sort_keys=False, width=120),
    }


if __name__ == "__main__":
    for place, text in written().items():
        (ROOT / place).write_text(text)

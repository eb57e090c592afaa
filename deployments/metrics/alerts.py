"""The alert rules for Prometheus: what an operator is told, and when. docs/metrics.md lists them."""

from typing import Any, Literal, NamedTuple

from deployments.metrics import table
from deployments.metrics.table import Metric

FAILED = 'outcome="failed"'
REFUSED_BY_PROVIDER = 'outcome=~"rate_limited|overloaded|unavailable"'


class Alert(NamedTuple):
    """`lasts` is how long it must be so first, in Prometheus' words; `action` says what to do."""

    name: str
    severity: Literal["page", "ticket"]
    expression: str
    lasts: str
    summary: str
    action: str


def _name(metric: Metric, suffix: str = "") -> str:
    return f"ray_{metric.exported}{suffix}"


def _increase(metric: Metric, window: str, matches: str = "", suffix: str = "") -> str:
    return f"sum(increase({_name(metric, suffix)}{{{matches}}}[{window}]))"


def _p99(metric: Metric, window: str, matches: str = "") -> str:
    return f"histogram_quantile(0.99, sum by (le) (rate({_name(metric, '_bucket')}{{{matches}}}[{window}])))"


ALERTS = (
    Alert(
        *("RaylogueMetricsMissing", "page", f"absent({_name(table.STREAMS)})", "5m"),
        "No replica of the ingress reports anything.",
        "See whether the service runs (`raylogue status`), and whether Prometheus reaches the nodes.",
    ),
    Alert(
        *("RaylogueStoreAway", "page", _increase(table.STORE_TROUBLE, "5m", 'kind="gave_up"') + " > 0", "2m"),
        "Callers get errors since Redis does not answer.",
        "Bring Redis back; service returns by itself.",
    ),
    Alert(
        "RaylogueTurnsFail",
        "page",
        f"{_increase(table.TURNS, '10m', FAILED)} > 10 and "
        f"{_increase(table.TURNS, '10m', FAILED)} / {_increase(table.TURNS, '10m')} > 0.05",
        "5m",
        "More than a twentieth of the turns fail.",
        "The panel of model calls by outcome says whether it is the provider; else the logs of hosts do.",
    ),
    Alert(
        "RaylogueProviderRefuses",
        "ticket",
        f"{_increase(table.MODEL_CALLS, '10m', REFUSED_BY_PROVIDER)} / {_increase(table.MODEL_CALLS, '10m')} > 0.2",
        "10m",
        "The provider refuses a fifth of the calls.",
        "Ask it for more, slow batches down, or add fallbacks (`Retry`).",
    ),
    Alert(
        *("RaylogueFirstTokenSlow", "ticket", _p99(table.FIRST_TOKEN_SECONDS, "10m") + " > 15", "10m"),
        "One answer in a hundred begins later than 15 s after its message.",
        "Compare with the time of the model calls; if that is short, nodes have too much to do.",
    ),
    Alert(
        *("RaylogueAppendsSlow", "ticket", _p99(table.APPEND_SECONDS, "10m", 'outcome="written"') + " > 0.25", "10m"),
        "Appends take long, so everything does.",
        "Look at the server of Redis: its processor, its disk, the way to it.",
    ),
    Alert(
        *("RaylogueRecoveriesFail", "ticket", _increase(table.RECOVERIES, "10m", 'outcome="failed"') + " > 20", "5m"),
        "Unfinished turns cannot be taken up.",
        "`GET /v1/stuck` names them; the lines `wake_failed` say why.",
    ),
    Alert(
        *("RaylogueFencedWrites", "ticket", f"sum(increase({_name(table.FENCED_WRITES)}[10m])) > 50", "5m"),
        "Incarnations find again and again that another one has their conversation.",
        "Nothing is lost; look for a network that comes and goes, and for nodes with wrong clocks.",
    ),
    Alert(
        *("RaylogueFeedLate", "ticket", f"max by (group) ({_name(table.FEED_LAG_SECONDS)}) > 300", "5m"),
        "A consumer of the feed is minutes behind.",
        "`GET /v1/feed/groups` and the lines `feed_` of the ingress name what it fails at.",
    ),
    Alert(
        "RaylogueJobsFail",
        "ticket",
        f'sum by (job) (increase({_name(table.JOBS)}{{outcome="failed"}}[15m])) > 0',
        "1m",
        "Jobs have failed for good.",
        "`raylogue jobs failures` says why.",
    ),
    Alert(
        *(
            "RaylogueJobsWait",
            "ticket",
            f'max by (queue) ({_name(table.QUEUE_LENGTH)}{{queue=~"jobs_.*"}}) > 1000',
            "15m",
        ),
        "Jobs are made faster than they are done.",
        "Raise `RAYLOGUE_MAX_WORKERS`.",
    ),
    Alert(
        *("RaylogueSchedulesLate", "ticket", f"max({_name(table.SCHEDULES_LATE)}) > 0", "5m"),
        "Due times pass without a run.",
        "See whether replicas of the ingress run and reach Redis.",
    ),
    Alert(
        *("RaylogueMemoryShort", "ticket", _increase(table.EVICTIONS, "10m", 'reason="memory"') + " > 0", "10m"),
        "Hosts let conversations go since their node has no memory left.",
        "Add nodes or memory.",
    ),
    Alert(
        "RaylogueNoRoom",
        "page",
        _increase(table.REFUSALS, "5m", 'problem=~"cluster_full|overloaded|too_many_streams|hosts_starting"') + " > 20",
        "5m",
        "People are turned away since there is no room.",
        "Add nodes, or raise the bounds in docs/settings.md.",
    ),
)


def rules() -> dict[str, Any]:
    """The file that Prometheus loads."""
    return {
        "groups": [
            {
                "name": "raylogue",
                "rules": [
                    {
                        "alert": alert.name,
                        "expr": alert.expression,
                        "for": alert.lasts,
                        "labels": {"severity": alert.severity},
                        "annotations": {"summary": alert.summary, "description": alert.action},
                    }
                    for alert in ALERTS
                ],
            }
        ]
    }

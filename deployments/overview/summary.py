"""What nodes and hosts have told, as the API shows it: now, and in the last minutes."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from deployments.background.live_conversations import LiveHost
from deployments.overview.histogram import MAX_ERROR, Buckets, quantile
from deployments.overview.recent import SLOT_MS, MergedFigures, Slot, total
from deployments.routing.control_plane import NodeEntry
from deployments.routing.placement import is_dedicated

CURRENT_SLOTS: Final = 12
"""What is said of now is of the last minute."""
OUTCOMES: Final = ("completed", "failed", "cancelled")


def describe(
    now: int, nodes: Sequence[NodeEntry], hosts: Sequence[LiveHost], figures: MergedFigures, not_asked: int = 0
) -> dict[str, Any]:
    """What these nodes and hosts add up to, as the API shows it; `not_asked` further actors live."""
    shared = [host for host in hosts if not is_dedicated(host.name)]
    dedicated = [host for host in hosts if is_dedicated(host.name)]
    by_node: defaultdict[str, list[LiveHost]] = defaultdict(list)
    for host in hosts:
        by_node[host.node].append(host)
    slots = figures.slots(now)
    current = total(slots[-CURRENT_SLOTS:])
    seconds = CURRENT_SLOTS * SLOT_MS / 1000
    return {
        "at": now,
        "seconds": seconds,
        "nodes": [_node(node, by_node[node.id]) for node in nodes],
        "hosts": [_host(host) for host in sorted(shared, key=lambda host: host.name)],
        "dedicated": {"live": len(dedicated) + not_asked, "not_asked": not_asked, **_sums(dedicated)},
        "conversations": _conversations(hosts),
        "turns": {
            "per_second": current.turns / seconds,
            "outcomes": _outcomes(current),
            "first_token_ms": _quantiles(current.first_token),
            "turn_ms": _quantiles(current.turn_time),
            "quantile_error": MAX_ERROR,
        },
        "usage": {"tokens": current.tokens, "cost": current.cost},
        "series": _series(slots),
    }


def _node(node: NodeEntry, here: Sequence[LiveHost]) -> dict[str, Any]:
    """All hosts of a node see the same; one that answers is enough. Without any its use is not known."""
    uses = [use for host in here if host.report is not None and (use := host.report.get("node_use")) is not None]
    known = [use for use in uses if use["processor"] is not None] or uses
    return {
        "id": node.id,
        "address": node.address,
        "head": node.is_head,
        "draining": node.is_draining,
        "cores": known[0]["cores"] if known else node.cores,
        "processor": known[0]["processor"] if known else None,
        "memory_used": known[0]["memory_used"] if known else None,
        "memory_size": known[0]["memory_size"] if known else None,
        "actors": node.actors,
        "hosts": sum(not is_dedicated(host.name) for host in here),
        "dedicated": sum(is_dedicated(host.name) for host in here),
        "conversations": _sums(here)["conversations"],
    }


def _host(host: LiveHost) -> dict[str, Any]:
    report: Mapping[str, Any] = host.report or {}
    known = {name: report.get(name) for name in ("code_version", "memory", "conversations", "working")}
    return {"name": host.name, "node": host.node, "answers": host.answers, **known}


def _sums(hosts: Iterable[LiveHost]) -> dict[str, int]:
    """Of actors together; one that did not answer is `silent`, and counts for nothing else."""
    here = list(hosts)
    reports = [host.report for host in here if host.report is not None]
    return {
        "silent": sum(not host.answers for host in here),
        "conversations": sum(report["conversations"] for report in reports),
        "working": sum(report["working"] for report in reports),
        "memory": sum(report["memory"] or 0 for report in reports),
    }


def _conversations(hosts: Iterable[LiveHost]) -> dict[str, Any]:
    """The ones in hosts; what rests elsewhere is in the store alone."""
    reports = [host.report for host in hosts if host.report is not None]
    states = Counter[str]()
    for report in reports:
        states.update(report.get("states", {}))
    return {
        "live": sum(report["conversations"] for report in reports),
        "working": sum(report["working"] for report in reports),
        "hibernating": sum(report.get("hibernating", 0) for report in reports),
        "states": dict(sorted(states.items())),
    }


def _outcomes(slot: Slot) -> dict[str, int]:
    return {outcome: slot.outcomes[outcome] for outcome in OUTCOMES}


def _quantiles(buckets: Buckets) -> dict[str, float | int | None]:
    return {"count": sum(buckets.values()), "p50": _rounded(buckets, 0.5), "p99": _rounded(buckets, 0.99)}


def _rounded(buckets: Buckets, share: float) -> float | None:
    found = quantile(buckets, share)
    return None if found is None else round(found, 1)


def _series(slots: Sequence[tuple[int, Slot]]) -> dict[str, Any]:
    """One value for each slot, oldest first; a quantile is None where there was nothing to measure."""
    only = [slot for _, slot in slots]
    return {
        "began_at": [began for began, _ in slots],
        "slot_ms": SLOT_MS,
        "outcomes": {outcome: [slot.outcomes[outcome] for slot in only] for outcome in OUTCOMES},
        "first_token_p50": [_rounded(slot.first_token, 0.5) for slot in only],
        "first_token_p99": [_rounded(slot.first_token, 0.99) for slot in only],
        "turn_p50": [_rounded(slot.turn_time, 0.5) for slot in only],
        "turn_p99": [_rounded(slot.turn_time, 0.99) for slot in only],
        "tokens": [slot.tokens for slot in only],
        "cost": [slot.cost for slot in only],
    }

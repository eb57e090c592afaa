"""How many requests the replicas of the ingress take, and when their number changes: what Serve is told of it.

With HAProxy in front, Serve's handles see no request: the replicas themselves report how many they have, and an event
stream is one for as long as somebody watches.
"""

from typing import Any

from deployments.settings import Settings

SPARE = 256
"""Requests that are neither streams nor messages, refusals among them: they are answered in milliseconds."""
WAITING = 512
"""Requests that may wait in a replica for one of its places. Serve itself refuses those beyond."""
LONGEST_LOOK_BACK = 30.0
REPORTS_IN_A_DELAY = 4
BACKLOG = 1024
"""Connections at HAProxy without a request of ours: its own checks, and those that are kept alive."""


def requests_a_replica(settings: Settings) -> int:
    """How many requests a replica has at once. The ingress refuses streams and messages before this is reached."""
    return settings.replica_streams + settings.replica_messages + SPARE


def connections(settings: Settings) -> int:
    """How many connections HAProxy takes: beyond them they wait in the kernel, where nobody is told of it."""
    return most_replicas(settings) * (requests_a_replica(settings) + WAITING) + BACKLOG


def most_replicas(settings: Settings) -> int:
    return max(settings.min_replicas, settings.max_replicas)


def autoscaling(settings: Settings) -> dict[str, Any]:
    """The fields of Serve's `AutoscalingConfig`: it averages over a time that is no longer than the delay."""
    look_back = min(LONGEST_LOOK_BACK, settings.upscale_seconds)
    return {
        "min_replicas": settings.min_replicas,
        "max_replicas": most_replicas(settings),
        "target_ongoing_requests": settings.target_requests,
        "upscale_delay_s": settings.upscale_seconds,
        "downscale_delay_s": settings.downscale_seconds,
        "look_back_period_s": look_back,
        "metrics_interval_s": look_back / REPORTS_IN_A_DELAY,
    }

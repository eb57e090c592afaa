"""How many requests the replicas of the ingress take, and when their number changes: what Serve is told of it.

With HAProxy in front, Serve's handles see no request: the replicas themselves report how many they have. An event
stream is one request for as long as its watcher stays.
"""

from typing import Any

from deployments.settings import Settings

MAX_OTHER_REQUESTS = 256
"""Requests that are neither streams nor messages, refusals among them: they are answered in milliseconds."""
MAX_WAITING_REQUESTS = 512
"""Requests that may wait in a replica until others are done; Serve itself refuses further ones."""
MAX_IDLE_CONNECTIONS = 1024
"""Connections at HAProxy without a request of ours: its own checks, and connections that clients keep alive."""
MAX_LOOK_BACK_SECONDS = 30.0
REPORTS_IN_A_DELAY = 4


def max_requests_per_replica(settings: Settings) -> int:
    """How many requests a replica has at once. The ingress refuses streams and messages before this is reached."""
    return settings.replica_streams + settings.replica_messages + MAX_OTHER_REQUESTS


def max_connections(settings: Settings) -> int:
    """How many connections HAProxy takes: more wait in the kernel, where no client is told of it."""
    requests = max_requests_per_replica(settings) + MAX_WAITING_REQUESTS
    return max_replicas(settings) * requests + MAX_IDLE_CONNECTIONS


def max_replicas(settings: Settings) -> int:
    return max(settings.min_replicas, settings.max_replicas)


def autoscaling_config(settings: Settings) -> dict[str, Any]:
    """The fields of Serve's `AutoscalingConfig`: it averages over a time that is no longer than the delay."""
    look_back = min(MAX_LOOK_BACK_SECONDS, settings.upscale_seconds)
    return {
        "min_replicas": settings.min_replicas,
        "max_replicas": max_replicas(settings),
        "target_ongoing_requests": settings.target_requests,
        "upscale_delay_s": settings.upscale_seconds,
        "downscale_delay_s": settings.downscale_seconds,
        "look_back_period_s": look_back,
        "metrics_interval_s": look_back / REPORTS_IN_A_DELAY,
    }

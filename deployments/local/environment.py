"""The environment in which Ray and Serve must be imported, so that they run privately on one machine."""

import os
import shlex
import sys
from pathlib import Path

from deployments.ingress.scaling import max_connections
from deployments.local import ports
from deployments.ray_internals import haproxy
from deployments.ray_internals.cluster_haproxy import find_haproxy
from deployments.settings import Settings

LOOPBACK = "127.0.0.1"
ENV_FILE = Path(__file__).parents[1] / "ray.env"
CONNECTIONS = "RAY_SERVE_HAPROXY_MAXCONN"
AUTHENTICATION = "RAY_AUTH_MODE"
DRAINING = "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S"
HEALTH_CHECKS, HEALTH_PERIOD = "RAY_health_check_failure_threshold", "RAY_health_check_period_ms"


def read_ray_env() -> dict[str, str]:
    """What is the same on all clusters, from the file that their start commands read too."""
    lines = (line for line in ENV_FILE.read_text().splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def ray_environment(settings: Settings, runtime_dir: Path) -> dict[str, str]:
    """Variables for Ray, read by its modules while they are imported and by every process it starts."""
    stats, metrics, fallback = ports.find_free_ports(LOOPBACK, 3)
    return {
        # Ray's word for "this machine only": it makes 127.0.0.1 the node's address, on which all of its own
        # servers then listen. Without it they listen on every interface.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # No other node could take over from the only one: a machine that is busy for a while must not count as dead,
        # and to look less often costs less. An operator who lets other nodes join may choose otherwise.
        **({} if HEALTH_CHECKS in os.environ else {HEALTH_CHECKS: "5", HEALTH_PERIOD: "3000"}),
        # How long a replica that stops can still be reached, until load balancers know: here that is HAProxy alone,
        # which Serve tells at once. On a busy machine it takes some seconds to start with its new configuration.
        **({} if DRAINING in os.environ else {DRAINING: "9"}),
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(_write_wrapper(runtime_dir)),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(runtime_dir / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(runtime_dir / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(runtime_dir / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(runtime_dir),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(runtime_dir / "server-state"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        CONNECTIONS: str(bounded_connections(settings)[0]),
        "RAY_SERVE_HAPROXY_NBTHREAD": str(min(4, os.cpu_count() or 1)),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback),
    }


def service_environment(settings: Settings, runtime_dir: Path) -> dict[str, str]:
    """The whole environment of the service's process."""
    return {**read_ray_env(), **os.environ, **settings.environment(), **ray_environment(settings, runtime_dir)}


def dashboard_requires_token() -> bool:
    """Whether Ray's dashboard asks for a token."""
    return os.environ.get(AUTHENTICATION) == "token"


def bounded_connections(settings: Settings) -> tuple[int, str | None]:
    """How many connections HAProxy takes here, and a sentence about it if it is fewer than the settings ask for.

    They are as many as on a cluster, if there may be so many open files: what is idle takes little.
    """
    wanted, most, files = max_connections(settings), int(read_ray_env()[CONNECTIONS]), haproxy.allowed_files()
    if files is None or haproxy.files_for(wanted) <= files:
        return max(wanted, most if files is None else min(most, haproxy.connections_within(files))), None
    possible = haproxy.connections_within(files)
    advice = f"raise the hard limit (`ulimit -Hn`) to {haproxy.files_for(wanted)}"
    return possible, f"{files} open files are enough for {possible} connections, {wanted} are wanted: {advice}"


def _write_wrapper(runtime_dir: Path) -> Path:
    script = runtime_dir / "haproxy"
    command = shlex.join([sys.executable, "-I", "-S", str(haproxy.__file__), find_haproxy()])
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    script.chmod(0o700)
    return script

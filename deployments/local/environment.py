"""The environment in which Ray and Serve must be imported, so that they run privately on one machine."""

import os
import resource
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
OTHER_OPEN_FILES = 512
HEALTH_CHECKS = "RAY_health_check_failure_threshold"


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
        # No other node could take over from the only one: a machine that is busy for a while must not count as dead.
        # An operator who lets other nodes join may choose otherwise.
        HEALTH_CHECKS: os.environ.get(HEALTH_CHECKS, "30"),
        # The import takes time once, not for each conversation.
        "RAY_preload_python_modules": ",".join(_modules_of_hosts(settings)),
        # How long a replica that stops can still be reached, until load balancers know: here that is HAProxy alone,
        # which Serve tells at once.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "3",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(_write_wrapper(runtime_dir)),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(runtime_dir / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(runtime_dir / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(runtime_dir / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(runtime_dir),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(runtime_dir / "server-state"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_SERVE_HAPROXY_MAXCONN": str(_within_open_files(max_connections(settings))),
        "RAY_SERVE_HAPROXY_NBTHREAD": str(min(4, os.cpu_count() or 1)),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback),
    }


def service_environment(settings: Settings, runtime_dir: Path) -> dict[str, str]:
    """The whole environment of the service's process."""
    return {**read_ray_env(), **os.environ, **settings.environment(), **ray_environment(settings, runtime_dir)}


def dashboard_requires_token() -> bool:
    """Whether Ray's dashboard, once started, asks for a token; Ray itself decides that."""
    return os.environ.get("RAY_AUTH_MODE") == "token"


def _modules_of_hosts(settings: Settings) -> list[str]:
    """What a host imports: its own module, the operator's agents, and the SDK, which alone takes a second."""
    agents = [settings.agents.partition(":")[0]] if settings.agents else []
    return ["deployments.host.actor", *agents, *([] if settings.offline else ["agents.models.anthropic.model"])]


def _within_open_files(connections: int) -> int:
    """As many as this process's limit of open files allows: HAProxy needs two a connection, or does not start."""
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (
        connections if most_files == resource.RLIM_INFINITY else min(connections, (most_files - OTHER_OPEN_FILES) // 2)
    )


def _write_wrapper(runtime_dir: Path) -> Path:
    script = runtime_dir / "haproxy"
    command = shlex.join([sys.executable, "-I", "-S", str(haproxy.__file__), find_haproxy()])
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    script.chmod(0o700)
    return script

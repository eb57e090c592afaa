"""Which of Ray's own processes run on a machine that is a cluster by itself; `ray.init` has no option for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

from ray._private import parameter, services

RAY: Any = SimpleNamespace(parameter=parameter, services=services)
DASHBOARD_MODULES = ("MetricsHead", "NodeHead", "ReportHead", "ServeHead", "StateHead", "UsageStatsHead")
"""Nodes, actors, tasks, logs, metrics and Serve; not Ray Data, Ray Train, submitted jobs and events."""
OWN_DASHBOARD = "deployments.ray_internals.dashboard"


@contextmanager
def only_used_processes() -> Iterator[None]:
    """`ray.init` in the block starts no process that one machine has no use for.

    Without the autoscaler, since there are no nodes to add, and the process that copies all logs to programs that watch
    them. The dashboard runs a process for each of its modules.
    """
    params, start = RAY.parameter.RayParams, RAY.services.start_ray_process
    RAY.parameter.RayParams = partial(params, no_monitor=True, include_log_monitor=False)
    RAY.services.start_ray_process = lambda command, *given, **named: start(economical(command), *given, **named)
    try:
        yield
    finally:
        RAY.parameter.RayParams, RAY.services.start_ray_process = params, start


def economical(command: list[str]) -> list[str]:
    """The command; if it starts the dashboard, by way of ours and with the modules that are used.

    A command that names modules itself is left as it is.
    """
    found = [number for number, part in enumerate(command) if part.endswith("dashboard/dashboard.py")]
    if not found or any(part.startswith(("--modules-to-load", "--minimal")) for part in command):
        return command
    python, dashboard = command[: found[0]], command[found[0] :]
    return [*python, "-m", OWN_DASHBOARD, *dashboard, f"--modules-to-load={','.join(DASHBOARD_MODULES)}"]

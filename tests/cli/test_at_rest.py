"""What runs while nobody talks: only processes that are needed, each with only the modules that it needs."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from deployments.ray_internals.head_node import DASHBOARD_MODULES
from tests.cli.conftest import Up

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

OURS = "/hiredis/"
"""In the path of a library that our store loads, and neither Ray nor Serve does."""
INGRESS = "/nh3/"
"""The same of a library that only the ingress loads."""
PANDAS = "/pandas/"
"""The same of one that Serve would import, and that no process of ours uses."""
SERVE = ("ray::ServeController", "ray::HAProxyManager")
UNUSED = ("log_monitor.py", "monitor.py")
WAIT_SECONDS = 60.0


def test_no_process_runs_that_has_nothing_to_do(up: Up) -> None:
    titles = [_title(process) for process in up.processes()]
    assert [title for title in titles if any(name in title for name in UNUSED)] == []
    modules = [title.partition(" ")[0] for title in titles if title.startswith("ray-dashboard-")]
    in_processes = set(DASHBOARD_MODULES) - {"UsageStatsHead"}
    assert sorted(modules) == sorted(f"ray-dashboard-{module}-0" for module in in_processes)


@pytest.mark.parametrize("title", SERVE)
def test_a_process_of_serve_has_none_of_our_modules(up: Up, title: str) -> None:
    [process] = [found for found in up.processes() if _title(found).startswith(title)]
    assert OURS not in _mapped(process)


def test_no_process_has_loaded_pandas(up: Up) -> None:
    """It takes a second of a core and 40 MB, in each process of Serve."""
    processes = up.processes()
    assert any(_title(process).startswith("ray::ServeReplica") for process in processes)
    assert [_title(process) for process in processes if PANDAS in _mapped(process)] == []


def test_a_worker_that_waits_for_work_has_made_the_imports_of_a_host(up: Up) -> None:
    _wait_until(lambda: any(OURS in _mapped(worker) for worker in up.processes() if _title(worker) == "ray::IDLE"))


def test_the_process_that_deployed_the_application_has_ended(up: Up) -> None:
    assert [title for title in map(_title, up.processes()) if "deployments.local.application" in title] == []
    [own] = [found for found in up.processes() if "-m deployments.local " in _title(found)]
    assert INGRESS not in _mapped(own), "the service's process imports the application"


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()).strip()
    except psutil.Error:  # it has just ended
        return ""


def _mapped(process: psutil.Process) -> str:
    """The files that are mapped into the memory of the process."""
    try:
        return Path(f"/proc/{process.pid}/maps").read_text()
    except OSError:  # it has just ended
        return ""


def _wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.2)

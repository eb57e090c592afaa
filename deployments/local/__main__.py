"""The process of `raylogue up`, in the environment that deployments/local/environment.py prepared for it."""

import logging
import os
import shutil
import signal
import sys
from pathlib import Path

from rich.console import Console

from deployments.local.environment import dashboard_requires_token
from deployments.local.errors import CannotStart, error_line
from deployments.local.processes import (
    Stopped,
    adopt_orphans,
    descendants,
    end_all,
    ignore_signals,
    release_signals,
    stop_at_signals,
)
from deployments.local.record import RunRecord, remove_own_record
from deployments.local.reload import watch_agents
from deployments.local.service import Progress, local_service
from deployments.settings import Settings

PRIVATE = 0o077
"""Logs, the archive and the record are for this user alone."""


def main(runtime_dir: Path, *, watch: bool = False) -> int:
    """Run the service until it is told to end; the exit code. With `watch`, reload the agents when they change."""
    adopt_orphans()
    os.umask(PRIVATE)
    # What the store would warn of is shown as the remarks of a step.
    logging.getLogger("store").setLevel(logging.ERROR)
    console, settings = Console(stderr=True), Settings()
    try:
        stop_at_signals()
        release_signals()  # `raylogue up` has held them while it became this program
        with local_service(settings, Progress(console)) as record:
            _announce(console, record)
            if watch:
                watch_agents(settings, console)
            signal.pause()
    except Stopped:
        console.print("[green]✓[/] Stopped; the conversations are kept", highlight=False)
    except CannotStart as error:
        console.print(error_line(error), soft_wrap=True)
        return 1
    finally:
        ignore_signals()
        # Nothing, unless a signal came just between the start of a process and the note that it must be ended.
        end_all(descendants())
        remove_own_record(settings.data_dir)  # that of the command which became this program
        shutil.rmtree(runtime_dir, ignore_errors=True)
    return 0


def _announce(console: Console, record: RunRecord) -> None:
    console.print(f"\n  Page       [bold]{record.url}[/]", highlight=False)
    if record.dashboard is not None:
        console.print(f"  Dashboard  {record.dashboard}", highlight=False)
        if dashboard_requires_token():
            token = os.path.relpath(Path(sys.executable).with_name("ray"))
            console.print(f"             asks for a token: {token} get-auth-token", style="dim", highlight=False)
    console.print("  Ctrl-C stops everything.\n", style="dim", highlight=False)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), watch="--watch" in sys.argv[2:]))

"""The process of `raylogue up`, in the environment that deployments/local/environment.py prepared for it."""

import logging
import os
import shutil
import signal
import sys
from pathlib import Path

from rich.console import Console

from deployments.local.environment import dashboard_requires_token
from deployments.local.errors import CannotStart
from deployments.local.processes import Stopped, stop_at_signals
from deployments.local.record import RunRecord
from deployments.local.service import Progress, local_service
from deployments.settings import Settings


def main(runtime_dir: Path) -> int:
    """Run the service until it is told to end; the exit code."""
    stop_at_signals()
    # What the store would warn of is shown as the remarks of a step.
    logging.getLogger("store").setLevel(logging.ERROR)
    console = Console(stderr=True)
    try:
        with local_service(Settings(), Progress(console)) as record:
            _announce(console, record)
            signal.pause()
    except Stopped:
        console.print("[green]✓[/] Stopped; the conversations are kept", highlight=False)
    except CannotStart as error:
        console.print(f"[red]raylogue:[/] {error}", highlight=False, soft_wrap=True)
        return 1
    finally:
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
    sys.exit(main(Path(sys.argv[1])))

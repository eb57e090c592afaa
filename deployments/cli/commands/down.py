"""`raylogue down`: end the service that runs on this machine."""

import psutil
from rich.console import Console

from deployments.cli.errors import CommandFailed
from deployments.cli.options import DataDirOption, read_settings
from deployments.local.processes import wait_for_end
from deployments.local.record import find_running

PATIENCE_SECONDS = 60.0


def down(data_dir: DataDirOption = None) -> None:
    """Stop the service that runs on this machine; conversations are kept."""
    record = find_running(read_settings(data_dir=data_dir).data_dir)
    console = Console(stderr=True)
    if record is None:
        console.print("Raylogue is not running.")
        return
    process = psutil.Process(record.pid)
    with console.status("Stopping"):
        process.terminate()
        still_running = wait_for_end([process], PATIENCE_SECONDS)
    if still_running:
        raise CommandFailed(f"process {record.pid} did not end in {PATIENCE_SECONDS:.0f} s: end it with kill -9")
    console.print("[green]✓[/] Stopped; the conversations are kept", highlight=False)

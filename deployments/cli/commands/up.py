"""`raylogue up`: check what can be checked at once, then become the process that runs the service."""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deployments.cli.options import DataDirOption, read_settings
from deployments.local import ports
from deployments.local.environment import bounded_connections, service_environment
from deployments.local.errors import CannotStart
from deployments.local.processes import Stopped, hold_signals, stop_at_signals
from deployments.local.record import claim_data_dir, require_not_running
from deployments.local.storage import check_archive
from deployments.process.agents_check import AgentsBroken, check_agents
from deployments.process.variables import unknown_variables
from deployments.settings import Settings

# HAProxy's sockets are below it, and the path of a socket has 107 bytes at most.
SOCKET_DIR = "/tmp"  # noqa: S108 - mkdtemp makes a directory of its own, for this user only


def up(
    port: Annotated[int | None, typer.Option("--port", help="Port of the page and the API; 0: any free.")] = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on; a loopback one.")] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Start Valkey, Ray and the service; Ctrl-C stops all of it."""
    become_service(read_settings(port=port, host=host, data_dir=data_dir))


def become_service(settings: Settings, *options: str) -> None:
    """Never returns: the process becomes `deployments.local`, unless something keeps it from that. Raises CannotStart.

    The record is there from the beginning, so that `raylogue down` finds this process, too.
    """
    require_not_running(settings.data_dir)
    stop_at_signals()
    try:
        with claim_data_dir(settings):
            _check_and_become(settings, options)
    except Stopped:
        Console(stderr=True).print("[green]✓[/] Stopped; nothing had been started", highlight=False)
        raise typer.Exit from None


def _check_and_become(settings: Settings, options: Sequence[str]) -> None:
    check_archive(settings)
    try:
        check_agents(settings)
    except AgentsBroken as error:
        raise CannotStart(str(error)) from error
    settings = settings.model_copy(update={"port": ports.require_free_port(settings.host, settings.port)})
    console = Console(stderr=True)
    console.print("Starting Raylogue", style="bold")
    _, too_few = bounded_connections(settings)
    if too_few is not None:
        console.print(too_few, style="yellow", markup=False, soft_wrap=True)
    for unknown in unknown_variables():
        console.print(f"{unknown} is no setting, and ignored", style="yellow", markup=False, soft_wrap=True)
    hold_signals()  # from here on, until what must be undone is known again
    runtime_dir = Path(tempfile.mkdtemp(prefix="raylogue-", dir=SOCKET_DIR))
    # Ray reads its environment when it is imported, so the service runs in a fresh interpreter.
    command = [sys.executable, "-m", "deployments.local", str(runtime_dir), *options]
    os.execve(sys.executable, command, service_environment(settings, runtime_dir))  # noqa: S606 - ourselves

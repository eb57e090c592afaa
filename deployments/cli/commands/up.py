"""`raylogue up`: check what can be checked at once, then become the process that runs the service."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deployments.cli.options import DataDirOption, read_settings
from deployments.local import ports
from deployments.local.environment import service_environment
from deployments.local.record import require_not_running
from deployments.local.storage import check_archive

# HAProxy's sockets are below it, and the path of a socket has 107 bytes at most.
SOCKET_DIR = "/tmp"  # noqa: S108 - mkdtemp makes a directory of its own, for this user only


def up(
    port: Annotated[int | None, typer.Option("--port", help="Port of the page and the API; 0: any free.")] = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on; a loopback one.")] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Start Valkey, Ray and the service; Ctrl-C stops all of it."""
    settings = read_settings(port=port, host=host, data_dir=data_dir)
    require_not_running(settings.data_dir)
    check_archive(settings)
    settings = settings.model_copy(update={"port": ports.require_free_port(settings.host, settings.port)})
    Console(stderr=True).print("Starting Raylogue", style="bold")
    runtime_dir = Path(tempfile.mkdtemp(prefix="raylogue-", dir=SOCKET_DIR))
    # Ray reads its environment when it is imported, so the service runs in a fresh interpreter.
    command = [sys.executable, "-m", "deployments.local", str(runtime_dir)]
    os.execve(sys.executable, command, service_environment(settings, runtime_dir))  # noqa: S606 - ourselves

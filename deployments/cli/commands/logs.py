"""`raylogue logs`: what the processes of the service have logged about a conversation, with tracebacks."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from deployments.cli.errors import CommandFailed
from deployments.cli.log_lines import About, SessionFiles, render, select_lines
from deployments.cli.options import ConversationArgument, read_settings
from deployments.local.errors import SESSIONS
from deployments.local.record import find_running

POLL_SECONDS = 0.5
CONNECT_SECONDS = 5.0
ROOT = Path(__file__).parents[3]
CLUSTER_HERE = "ray_current_cluster"
"""The file in which `ray start` leaves the address of the cluster that this machine belongs to, until `ray stop`."""
THIS_MACHINE = "local"


def logs(
    conversation: ConversationArgument,
    turn: Annotated[int | None, typer.Option("--turn", min=1, help="Only the lines about this turn.")] = None,
    sub_agents: Annotated[bool, typer.Option("--sub-agents", help="The lines about its sub-agents, too.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            envvar="RAY_ADDRESS",
            help="The cluster whose nodes are asked, if it is not that of this machine; `local`: this machine's files.",
        ),
    ] = None,
) -> None:
    """Print what was logged about a conversation, newest last; tracebacks have file and line.

    On a node of a cluster the log files of all nodes are read, elsewhere those of this machine.
    """
    cluster = address or _cluster_here()
    if cluster != THIS_MACHINE:
        command = [sys.executable, "-m", "deployments.cli.node_logs", cluster, conversation]
        # Tasks import what this process has in its folder. Ray takes a second to import: other commands do without.
        os.chdir(ROOT)
        options = [str(turn or ""), "follow" if follow else "", "sub_agents" if sub_agents else ""]
        os.execv(sys.executable, [*command, *options])  # noqa: S606 - ourselves
    found = False
    try:
        for lines in _read(SessionFiles(SESSIONS), follow):
            for line in select_lines(lines, About(conversation, turn, sub_agents)):
                found = True
                typer.echo(render(line))
    except KeyboardInterrupt:
        return
    if not found:
        raise CommandFailed(f"{conversation} has no line in the logs on this machine")


def _cluster_here() -> str:
    """The address of the cluster of which this machine is a node; that of `raylogue up` counts as one machine."""
    if find_running(read_settings().data_dir) is not None:
        return THIS_MACHINE
    try:
        cluster = (SESSIONS / CLUSTER_HERE).read_text().strip()
    except OSError:
        return THIS_MACHINE
    host, _, port = cluster.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError):
        # Ray itself would try for a minute; and what has happened stands in the files here, too.
        typer.echo(f"raylogue: the cluster at {cluster} does not answer: this is from one machine alone", err=True)
        return THIS_MACHINE
    return cluster


def _read(files: SessionFiles, follow: bool) -> Iterator[list[str]]:
    """The lines so far, then each line that follows."""
    yield list(files.read())
    while follow:
        time.sleep(POLL_SECONDS)
        yield list(files.read())

"""`raylogue deploy`: bring new code to a cluster; code that cannot run is not released."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).parents[3]


def deploy(
    file: Annotated[
        Path, typer.Argument(help="The configuration for Serve.", show_default="deployments/serve.yaml")
    ] = ROOT / "deployments" / "serve.yaml",
    address: Annotated[
        str, typer.Option("--address", envvar="RAY_ADDRESS", help="The cluster, if it is not the one of this machine.")
    ] = "auto",
) -> None:
    """Load new code on every node of a cluster, release it if it is sound, and wait until it runs.

    Run it on a node of the cluster, in place of `serve deploy`: a mistake in your agents is told with file and line,
    and nothing is touched.
    """
    command = [sys.executable, "-m", "deployments.rollout", str(file.absolute()), address]
    # Ray lets the other processes import from the folder of this one, where the application's will not look.
    os.chdir(ROOT)
    # Ray reads its environment when it is imported, and takes a second for it: other commands do without.
    os.execv(sys.executable, command)  # noqa: S606 - ourselves

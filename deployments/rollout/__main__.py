"""The process of `raylogue deploy`: check the new code on every node, release it, wait until it runs."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.serve.schema import ServeDeploySchema
from rich.console import Console

from deployments.local.errors import error_line
from deployments.local.service import Progress
from deployments.rollout.driver import NoCluster, driver
from deployments.rollout.nodes import Code, ReleaseRefused, check_on_nodes
from deployments.rollout.serve_api import ServeApi, environment_of, name_code, read_config


def main(file: str, address: str) -> int:
    """The exit code; `file` is the configuration for Serve, `address` that of the control plane."""
    console = Console(stderr=True)
    try:
        release(Path(file), address, Progress(console))
    except (NoCluster, ReleaseRefused) as error:
        console.print(error_line(error), soft_wrap=True)
        return 1
    return 0


def release(file: Path, address: str, progress: Progress) -> None:
    """Return when the new code runs. Raises NoCluster, ReleaseRefused; what runs is untouched if a check has failed."""
    config = read_config(file)
    with driver(address) as dashboard:
        host = ServeDeploySchema.model_validate(config).http_options.host
        loaded = [_load(application, host, progress) for application in config["applications"]]
        serve = ServeApi(dashboard)
        for application, code in zip(config["applications"], loaded, strict=True):
            if serve.knows(application["name"]):
                name_code(application, code.name)
        with progress.step("Released, and running"):
            serve.release(config)


def _load(application: Mapping[str, Any], host: str, progress: Progress) -> Code:
    with progress.step("New code loaded") as report:
        code = check_on_nodes(environment_of(application), host)
        nodes = "1 node" if code.nodes == 1 else f"{code.nodes} nodes"
        report(f"{application['name']} on {nodes}: {', '.join(code.agents)}")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

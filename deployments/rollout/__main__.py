"""The process of `raylogue deploy`: check the new code on every node, release it, wait until it runs."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.serve.schema import ServeDeploySchema
from rich.console import Console

from deployments.access.auditing import Auditor, machine_user
from deployments.access.principal import LOCAL
from deployments.local.errors import error_line
from deployments.local.service import Progress
from deployments.rollout.driver import NoCluster, driver
from deployments.rollout.nodes import AuditOfCluster, Code, ReleaseRefused, check_on_nodes
from deployments.rollout.serve_api import ServeApi, environment_of, name_code, read_config
from store import StoreUnavailable


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
        names = (application["name"] for application in config["applications"])
        codes = dict(zip(names, (code.name for code in loaded), strict=True))
        lines = AuditOfCluster(environment_of(config["applications"][0]))
        asyncio.run(_release(serve, config, codes, Auditor(lines), progress))


async def _release(
    serve: ServeApi, config: Mapping[str, Any], codes: Mapping[str, str], audit: Auditor, progress: Progress
) -> None:
    """What cannot be told is not done. Raises ReleaseRefused."""
    try:
        async with audit.act("deployed", LOCAL, data={"code": codes, **machine_user()}):
            with progress.step("Released, and running"):
                serve.release(config)
    except StoreUnavailable as error:
        raise ReleaseRefused(f"nothing was released, since the audit cannot be written: {error}") from error


def _load(application: Mapping[str, Any], host: str, progress: Progress) -> Code:
    with progress.step("New code loaded") as report:
        code = check_on_nodes(environment_of(application), host)
        nodes = "1 node" if code.nodes == 1 else f"{code.nodes} nodes"
        report(f"{application['name']} on {nodes}: {', '.join(code.agents)}")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

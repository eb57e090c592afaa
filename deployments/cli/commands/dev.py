"""`raylogue dev`: run the service on this machine, and deploy one's own agents again whenever they change."""

from typing import Annotated

import typer

from deployments.cli.commands.up import become_service
from deployments.cli.errors import CommandFailed
from deployments.cli.options import DataDirOption, read_settings

DEFAULTS = {"placement": "shared", "warm_workers": 0}
"""What is not set otherwise: no process is started from files that are being edited, and none waits with older ones."""


def dev(
    agents: Annotated[
        str | None, typer.Argument(help="Your agents, module:function; else RAYLOGUE_AGENTS.", show_default=False)
    ] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port of the page and the API; 0: any free.")] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Do as `up` does, and reload your agents when their files change; a mistake leaves the earlier code running."""
    settings = read_settings(port=port, data_dir=data_dir, agents=agents)
    if settings.agents is None:
        raise CommandFailed("name your agents: `raylogue dev shop:catalog` for the function catalog of shop.py")
    unset = {name: value for name, value in DEFAULTS.items() if name not in settings.model_fields_set}
    become_service(settings.model_copy(update=unset), "--watch")

"""The `raylogue` command: its subcommands, and how their failures are shown."""

import sys

import typer
from rich.console import Console

from deployments.cli.abort import abort
from deployments.cli.approve import approve
from deployments.cli.cancel import cancel
from deployments.cli.chat import chat
from deployments.cli.doctor import doctor
from deployments.cli.down import down
from deployments.cli.errors import CommandFailed
from deployments.cli.files import files
from deployments.cli.send import send
from deployments.cli.status import status
from deployments.cli.tail import tail
from deployments.cli.up import up
from deployments.local.errors import CannotStart

application = typer.Typer(
    name="raylogue",
    help="Durable chat agents: run the service on this machine, and talk to it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (up, down, status, chat, send, tail, cancel, abort, approve, files, doctor):
    application.command()(command)
application.command("release", hidden=True)(abort)  # its former name


def main() -> None:
    """Run the command line; whatever is expected to go wrong is one line and exit code 1."""
    try:
        application()
    except (CommandFailed, CannotStart) as error:
        Console(stderr=True).print(f"[red]raylogue:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)

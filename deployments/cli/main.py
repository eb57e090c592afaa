"""The `raylogue` command: its subcommands, and how their failures are shown."""

import sys

import typer
from rich.console import Console

from deployments.cli.commands.abort import abort
from deployments.cli.commands.approve import approve
from deployments.cli.commands.cancel import cancel
from deployments.cli.commands.chat import chat
from deployments.cli.commands.doctor import doctor
from deployments.cli.commands.down import down
from deployments.cli.commands.files import files
from deployments.cli.commands.send import send
from deployments.cli.commands.status import status
from deployments.cli.commands.tail import tail
from deployments.cli.commands.up import up
from deployments.cli.errors import CommandFailed
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
application.command("release", hidden=True)(abort)  # the former name of `abort`


def main() -> None:
    """Run the command line; an expected failure is one line and exit code 1."""
    try:
        application()
    except (CommandFailed, CannotStart) as error:
        Console(stderr=True).print(f"[red]raylogue:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)

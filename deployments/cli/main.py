"""The `raylogue` command: its subcommands, and how their failures are shown."""

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

import typer
from rich.console import Console
from typer.core import TyperGroup

from deployments.cli.errors import CommandFailed
from deployments.local.errors import CannotStart, error_line

ROOM: Final = "deployments.cli.commands"
COMMANDS: Final[Mapping[str, str]] = {
    "up": "up",
    "dev": "dev",
    "down": "down",
    "status": "status",
    "chat": "chat",
    "send": "send",
    "tail": "tail",
    "cancel": "cancel",
    "list": "list.list_",
    "drop": "drop",
    "rename": "rename",
    "archive": "archive",
    "abort": "abort",
    "approve": "approve",
    "files": "files",
    "fork": "fork",
    "export": "export",
    "logs": "logs",
    "trace": "trace",
    "ps": "ps",
    "top": "top",
    "doctor": "doctor",
    "deploy": "deploy",
    "backup": "backup",
    "restore": "backup.restore",
    "reindex": "reindex.reindex_",
    "import": "import_",
    "keys": "keys",
    "audit": "audit",
    "jobs": "jobs",
    "schedules": "schedules",
    "limits": "limits",
    "projects": "projects",
    "batch": "batch",
    "release": "abort",
}
"""Where each command is: a module of `ROOM`, and its function if that has another name than the module."""
FORMER: Final = frozenset({"release"})
"""Former names of commands, which the help does not show."""


class CommandsByName(Mapping[str, Any]):
    """Imports a command when it is asked for: to import all takes longer than most of them need."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - Typer's commands have no public type
        module, _, function = COMMANDS[name].partition(".")
        found = getattr(import_module(f"{ROOM}.{module}"), function or module)
        if isinstance(found, typer.Typer):
            return typer.main.get_command(found)
        alone = typer.Typer(add_completion=False)
        alone.command(name, hidden=name in FORMER)(found)
        return typer.main.get_command(alone)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class CommandGroup(TyperGroup):
    """Has the commands of the table."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - as Typer gives them
        super().__init__(**{**options, "commands": CommandsByName()})


application = typer.Typer(
    name="raylogue",
    cls=CommandGroup,
    help="Durable chat agents: run the service on this machine, and talk to it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@application.callback()
def _has_commands() -> None:
    """Typer wants to know of at least one; the group finds them all."""


def main() -> None:
    """Run the command line; an expected failure is one line and exit code 1."""
    try:
        application()
    except (CommandFailed, CannotStart) as error:
        Console(stderr=True).print(error_line(error), soft_wrap=True)
        sys.exit(1)

"""`raylogue import`: reads back what `raylogue export` has written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deployments.cli.api import given
from deployments.cli.errors import CommandFailed
from deployments.cli.options import UrlOption, open_client

PIECE_BYTES = 65_536


def import_(
    file: Annotated[Path, typer.Argument(help="A file of `raylogue export`.")],
    name: Annotated[str | None, typer.Option("--id", help="Id of the conversation; else a new one.")] = None,
    same_id: Annotated[bool, typer.Option("--same-id", help="Under the id that it had.")] = False,
    keep_owner: Annotated[bool, typer.Option("--keep-owner", help="It stays with its owner, not with you.")] = False,
    url: UrlOption = None,
) -> None:
    """Read a conversation back from a file, and print its id."""
    options = given({"id": name, "same_id": same_id or None, "keep_owner": keep_owner or None})
    if not file.is_file():
        raise CommandFailed(f"there is no file {file}")
    with open_client(url) as client:
        made = client.import_conversation(_pieces(file), options)
    Console(stderr=True).print(f"[green]✓[/] {made['last_seq']} events are there", highlight=False)
    typer.echo(made["id"])


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(PIECE_BYTES):
            yield piece

"""`raylogue files`: the files that an agent keeps, listed or read."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deployments.cli.options import ConversationArgument, UrlOption, open_client
from deployments.cli.transcript import format_time, strip_controls


def files(
    conversation: ConversationArgument,
    path: Annotated[str | None, typer.Argument(help="Print this file; else all are listed.")] = None,
    url: UrlOption = None,
) -> None:
    """List the files of a conversation, or print one on standard output, byte by byte."""
    with open_client(url) as client:
        if path is not None:
            typer.get_binary_stream("stdout").write(client.read_file(conversation, path))
            return
        found = client.list_files(conversation)
    if not found:
        Console(stderr=True).print("There are no files.")
        return
    table = Table("Path", "Version", "Bytes", "Changed", box=None, pad_edge=False)
    for file in found:
        table.add_row(
            strip_controls(file["path"]), str(file["version"]), str(file["size"]), format_time(file["updated_at"])
        )
    Console(soft_wrap=True).print(table)

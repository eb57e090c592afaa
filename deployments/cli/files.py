"""`raylogue files`: the files that an agent keeps, listed or read."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deployments.cli.api import Service
from deployments.cli.options import ConversationId, Url, service_url
from deployments.cli.transcript import harmless, moment


def files(
    conversation: ConversationId,
    path: Annotated[str | None, typer.Argument(help="Print this file; else all are listed.")] = None,
    url: Url = None,
) -> None:
    """List the files of a conversation, or print one on standard output, byte by byte."""
    with Service(service_url(url)) as service:
        if path is not None:
            typer.get_binary_stream("stdout").write(service.file(conversation, path))
            return
        found = service.files(conversation)
    if not found:
        Console(stderr=True).print("There are no files.")
        return
    table = Table("Path", "Version", "Bytes", "Changed", box=None, pad_edge=False)
    for file in found:
        table.add_row(harmless(file["path"]), str(file["version"]), str(file["size"]), moment(file["updated_at"]))
    Console(soft_wrap=True).print(table)

"""`raylogue fork`: a new conversation that begins with the log of another one."""

from typing import Annotated

import typer
from rich.console import Console

from deployments.cli.options import ConversationArgument, UrlOption, open_client


def fork(
    conversation: ConversationArgument,
    seq: Annotated[int | None, typer.Option("--seq", help="With the turn of this event it ends.")] = None,
    name: Annotated[str | None, typer.Option("--id", help="Id of the fork; the same id twice is one fork.")] = None,
    url: UrlOption = None,
) -> None:
    """Fork a conversation, and print the id of the new one."""
    with open_client(url) as client:
        made = client.fork(conversation, seq, name)
    Console(stderr=True).print(
        f"[green]✓[/] It begins with the first {made['forked_from']['seq']} events", highlight=False
    )
    typer.echo(made["id"])

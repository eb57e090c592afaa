"""`raylogue rename`: give a conversation another title."""

from typing import Annotated

import typer

from deployments.cli.options import ConversationArgument, UrlOption, open_client
from deployments.cli.transcript import strip_controls


def rename(
    conversation: ConversationArgument,
    title: Annotated[str, typer.Argument(help="The new title.")],
    url: UrlOption = None,
) -> None:
    """Give a conversation another title."""
    with open_client(url) as client:
        changed = client.change_conversation(conversation, {"title": title})
    typer.echo(f"It is called {strip_controls(changed['title'])}")

"""`raylogue cancel`: end a turn from outside."""

import typer

from deployments.cli.options import ConversationArgument, UrlOption, open_client


def cancel(conversation: ConversationArgument, url: UrlOption = None) -> None:
    """Cancel the turn that runs or waits."""
    with open_client(url) as client:
        client.cancel(conversation)
    typer.echo("Cancelled")

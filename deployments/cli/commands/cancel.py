"""`raylogue cancel`: end a turn from outside."""

import typer

from deployments.cli.api import ApiClient
from deployments.cli.options import ConversationArgument, UrlOption, service_url


def cancel(conversation: ConversationArgument, url: UrlOption = None) -> None:
    """Cancel the turn that runs or waits."""
    with ApiClient(service_url(url)) as client:
        client.cancel(conversation)
    typer.echo("Cancelled")

"""`raylogue cancel`: end a turn from outside."""

import typer

from deployments.cli.api import Service
from deployments.cli.options import ConversationId, Url, service_url


def cancel(conversation: ConversationId, url: Url = None) -> None:
    """Cancel the turn that runs or waits."""
    with Service(service_url(url)) as service:
        service.cancel(conversation)
    typer.echo("Cancelled")

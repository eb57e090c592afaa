"""`raylogue release`: free a conversation from a turn that makes no progress."""

import typer

from deployments.cli.api import Service
from deployments.cli.options import ConversationId, Url, service_url


def release(conversation: ConversationId, url: Url = None) -> None:
    """End a turn that makes no progress, even if its process does not answer; the conversation can be used again."""
    with Service(service_url(url)) as service:
        released = service.release(conversation)
    typer.echo(f"Released: turn {released['turn']} has failed")
    if released["killed"] is not None:
        typer.echo(f"{released['killed']} answered nobody and was killed; what else lived in it goes on elsewhere")

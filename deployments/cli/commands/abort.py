"""`raylogue abort`: end a turn that makes no progress."""

import typer

from deployments.cli.options import ConversationArgument, UrlOption, open_client


def abort(conversation: ConversationArgument, url: UrlOption = None) -> None:
    """End a turn that makes no progress, even if its process does not answer; the conversation can be used again."""
    with open_client(url) as client:
        aborted = client.abort(conversation)
    typer.echo(f"Released: turn {aborted['turn']} has failed")
    if aborted["killed"] is not None:
        typer.echo(f"{aborted['killed']} answered nobody and was killed; what else lived in it goes on elsewhere")

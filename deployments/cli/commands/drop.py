"""`raylogue drop`: leave a turn out of what the model is shown."""

from typing import Annotated

import typer

from deployments.cli.options import ConversationArgument, UrlOption, open_client


def drop(
    conversation: ConversationArgument,
    turn: Annotated[int, typer.Argument(help="The number of the turn.", min=1)],
    restore: Annotated[bool, typer.Option("--restore", help="Show the model the turn again.")] = False,
    url: UrlOption = None,
) -> None:
    """Leave a turn out of what the model is shown; the log keeps it."""
    with open_client(url) as client:
        client.drop_turn(conversation, turn, restore=restore)
    typer.echo(f"Turn {turn} is shown to the model again" if restore else f"Turn {turn} is left out")

"""`raylogue archive`: put a conversation out of the lists, or back into them."""

from typing import Annotated

import typer

from deployments.cli.options import ConversationArgument, UrlOption, open_client


def archive(
    conversation: ConversationArgument,
    restore: Annotated[bool, typer.Option("--restore", help="Put it back into the lists.")] = False,
    url: UrlOption = None,
) -> None:
    """Put a conversation out of the lists; all of it stays, and a message brings it back."""
    with open_client(url) as client:
        client.change_conversation(conversation, {"archived": not restore})
    typer.echo("It is in the lists again" if restore else "It is archived")

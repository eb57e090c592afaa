"""`raylogue tail`: what happens in a conversation, as it happens."""

import json as encoder
from typing import Annotated

import typer
from rich.console import Console

from deployments.cli.options import ConversationArgument, JsonOption, UrlOption, open_client
from deployments.cli.streaming import follow
from deployments.cli.transcript import Transcript


def tail(
    conversation: ConversationArgument,
    after: Annotated[int, typer.Option("--after", min=0, help="Show the log behind this seq.")] = 0,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Follow a conversation until Ctrl-C."""
    console = Console(quiet=json)
    transcript = Transcript(console, console, conversation)
    transcript.last_seq = after
    with open_client(url) as client:
        try:
            for event in follow(client, conversation, transcript):
                transcript.show(event)
                if json:
                    typer.echo(encoder.dumps(event, ensure_ascii=False))
        except KeyboardInterrupt:
            return

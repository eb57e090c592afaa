"""`raylogue send`: one message, and its answer on standard output."""

import json as encoder
import sys
import uuid
from typing import Annotated

import typer
from rich.console import Console

from deployments.cli.api import ApiClient, ApiEvent
from deployments.cli.options import (
    AgentOption,
    JsonOption,
    ModelOption,
    OnBusyOption,
    UrlOption,
    message_options,
    service_url,
)
from deployments.cli.streaming import RECONNECT, follow, send_until_accepted, show_until_rest
from deployments.cli.transcript import Transcript, strip_controls

WAITS_FOR_PEOPLE = 2


def send(
    text: Annotated[str, typer.Argument(help="The message; - reads it from standard input.")],
    conversation: Annotated[
        str | None, typer.Option("--conversation", "-c", help="Id of one to go on with; else a new one.")
    ] = None,
    agent: AgentOption = None,
    model: ModelOption = None,
    on_busy: OnBusyOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Send one message and print the answer. The exit code is 1 if the turn failed, 2 if it waits for people."""
    message = {"text": sys.stdin.read() if text == "-" else text, "client_id": uuid.uuid4().hex}
    message |= message_options(model, on_busy)
    with ApiClient(service_url(url)) as client:
        conversation_id = conversation or client.create_conversation(agent)["id"]
        if json:
            _print_events(client, conversation_id, message)
        else:
            _print_answer(client, conversation_id, message)


def _print_events(client: ApiClient, conversation_id: str, message: dict[str, str]) -> None:
    transcript = Transcript(Console(quiet=True), Console(quiet=True))
    for event in send_until_accepted(client, conversation_id, message):
        if event["type"] == RECONNECT:
            continue
        _print_event(event, transcript)
        if transcript.is_at_rest:
            return
    for event in follow(client, conversation_id, transcript):
        _print_event(event, transcript)
        if transcript.is_at_rest:
            return


def _print_event(event: ApiEvent, transcript: Transcript) -> None:
    typer.echo(encoder.dumps(event, ensure_ascii=False))
    transcript.show(event)


def _print_answer(client: ApiClient, conversation_id: str, message: dict[str, str]) -> None:
    notes = Console(stderr=True)
    transcript = Transcript(Console(), notes)
    transcript.hide_message(message["client_id"])
    show_until_rest(send_until_accepted(client, conversation_id, message), transcript)
    while not transcript.is_at_rest:
        show_until_rest(follow(client, conversation_id, transcript), transcript)
    notes.print(f"Conversation {conversation_id}", style="dim", soft_wrap=True)
    for tool_call_id, call in transcript.pending.items():
        name = strip_controls(call.get("name") or transcript.tool_name(tool_call_id))
        command = f"raylogue approve {conversation_id} {tool_call_id}"
        notes.print(f"{name} waits for you: {command}", style="yellow", markup=False, soft_wrap=True)
    if transcript.pending:
        raise typer.Exit(WAITS_FOR_PEOPLE)
    if transcript.outcome == "failed":
        raise typer.Exit(1)

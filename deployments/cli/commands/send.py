"""`raylogue send`: one message, and its answer on standard output."""

import json as encoder
import sys
import uuid
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console

from deployments.cli.api import ApiClient, ApiEvent, JsonObject
from deployments.cli.client_tools import ClientCalls, ClientTools, ClientToolsOption, load_client_tools
from deployments.cli.errors import CommandFailed, ServiceRefused
from deployments.cli.options import (
    AgentOption,
    JsonOption,
    ModelOption,
    OnBusyOption,
    UrlOption,
    message_options,
    open_client,
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
    client_tools: ClientToolsOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Send one message and print the answer. The exit code is 1 if the turn failed, 2 if it waits for people."""
    message = {"text": sys.stdin.read() if text == "-" else text, "client_id": uuid.uuid4().hex}
    message |= message_options(model, on_busy)
    tools = load_client_tools(client_tools)
    with open_client(url, tools) as client:
        opened = client.get_conversation(conversation) if conversation else client.create_conversation(agent)
        conversation_id: str = opened["id"]
        try:
            if json:
                _print_events(client, conversation_id, message, tools)
            else:
                _print_answer(client, opened, message, tools)
        except ServiceRefused:
            if conversation is None:
                _delete_if_empty(client, conversation_id)
            raise


def _delete_if_empty(client: ApiClient, conversation_id: str) -> None:
    """A message that was refused leaves no conversation behind that was made for it."""
    with suppress(CommandFailed):
        if client.get_conversation(conversation_id)["last_seq"] == 0:
            client.delete_conversation(conversation_id)


def _print_events(client: ApiClient, conversation_id: str, message: dict[str, str], tools: ClientTools) -> None:
    transcript = Transcript(Console(quiet=True), Console(quiet=True))
    calls = ClientCalls(client, conversation_id, transcript, tools)
    for event in send_until_accepted(client, conversation_id, message):
        if event["type"] == RECONNECT:
            continue
        _print_event(event, transcript)
        if transcript.is_at_rest and not calls.begin():
            return
    for event in follow(client, conversation_id, transcript):
        _print_event(event, transcript)
        if transcript.is_at_rest and not calls.begin():
            return


def _print_event(event: ApiEvent, transcript: Transcript) -> None:
    typer.echo(encoder.dumps(event, ensure_ascii=False))
    transcript.show(event)


def _print_answer(client: ApiClient, opened: JsonObject, message: dict[str, str], tools: ClientTools) -> None:
    """Structured output is one JSON object on standard output, whatever the model said on the way to it."""
    notes = Console(stderr=True)
    conversation_id: str = opened["id"]
    is_structured = any(agent["output"] for agent in client.list_agents() if agent["name"] == opened["agent"])
    transcript = Transcript(Console(), notes, conversation_id, objects_only=is_structured)
    transcript.hide_message(message["client_id"])
    calls = ClientCalls(client, conversation_id, transcript, tools)
    show_until_rest(send_until_accepted(client, conversation_id, message), transcript)
    while not transcript.is_at_rest or calls.begin():
        show_until_rest(follow(client, conversation_id, transcript), transcript, calls.begin)
    notes.print(f"Conversation {conversation_id}", style="dim", soft_wrap=True)
    for tool_call_id, call in transcript.pending.items():
        name = strip_controls(call.get("name") or transcript.tool_name(tool_call_id))
        command = f"raylogue approve {conversation_id} {tool_call_id}"
        notes.print(f"{name} waits for you: {command}", style="yellow", markup=False, soft_wrap=True)
    if transcript.pending:
        raise typer.Exit(WAITS_FOR_PEOPLE)
    if transcript.outcome == "failed":
        raise typer.Exit(1)

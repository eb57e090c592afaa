"""`raylogue send`: one message, and its answer on standard output."""

import json as encoder
import sys
import uuid
from typing import Annotated

import typer
from rich.console import Console

from deployments.cli.api import Service
from deployments.cli.options import Agent, Json, Model, OnBusy, Url, chosen, service_url
from deployments.cli.sse import Event
from deployments.cli.streaming import RECONNECT, follow, show_until_rest, speak
from deployments.cli.transcript import Transcript, harmless

WAITS_FOR_PEOPLE = 2


def send(
    text: Annotated[str, typer.Argument(help="The message; - reads it from standard input.")],
    conversation: Annotated[
        str | None, typer.Option("--conversation", "-c", help="Id of one to go on with; else a new one.")
    ] = None,
    agent: Agent = None,
    model: Model = None,
    on_busy: OnBusy = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Send one message and print the answer. The exit code is 1 if the turn failed, 2 if it waits for people."""
    message = {"text": sys.stdin.read() if text == "-" else text, "client_id": uuid.uuid4().hex}
    message |= chosen(model, on_busy)
    with Service(service_url(url)) as service:
        conversation_id = conversation or service.create(agent)["id"]
        if json:
            _print_events(service, conversation_id, message)
        else:
            _print_answer(service, conversation_id, message)


def _print_events(service: Service, conversation_id: str, message: dict[str, str]) -> None:
    transcript = Transcript(Console(quiet=True), Console(quiet=True))
    for event in speak(service, conversation_id, message):
        if event["type"] != RECONNECT and _print(event, transcript):
            return
    for event in follow(service, conversation_id, transcript):
        if _print(event, transcript):
            return


def _print(event: Event, transcript: Transcript) -> bool:
    """Whether that was the end of the turn."""
    typer.echo(encoder.dumps(event, ensure_ascii=False))
    transcript.show(event)
    return transcript.resting


def _print_answer(service: Service, conversation_id: str, message: dict[str, str]) -> None:
    notes = Console(stderr=True)
    transcript = Transcript(Console(), notes)
    transcript.expect(message["client_id"])
    show_until_rest(speak(service, conversation_id, message), transcript)
    while not transcript.resting:
        show_until_rest(follow(service, conversation_id, transcript), transcript)
    notes.print(f"Conversation {conversation_id}", style="dim", soft_wrap=True)
    for tool_call_id, asked in transcript.pending.items():
        name = harmless(asked.get("name") or transcript.call(tool_call_id)[0])
        command = f"raylogue approve {conversation_id} {tool_call_id}"
        notes.print(f"{name} waits for you: {command}", style="yellow", markup=False, soft_wrap=True)
    if transcript.pending:
        raise typer.Exit(WAITS_FOR_PEOPLE)
    if transcript.outcome == "failed":
        raise typer.Exit(1)

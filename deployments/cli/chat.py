"""`raylogue chat`: a conversation in the terminal, with streaming, tool cards and approvals."""

import uuid
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from deployments.cli.api import Service, ServiceRefused
from deployments.cli.options import Agent, Model, OnBusy, Url, chosen, service_url
from deployments.cli.prompts import decide
from deployments.cli.streaming import follow, show_until_rest, speak
from deployments.cli.transcript import Transcript

EVENTS_OF_HISTORY = 50
INTERRUPTED = 130


def chat(
    conversation: Annotated[str | None, typer.Argument(help="Id of one to go on with; else a new one.")] = None,
    agent: Agent = None,
    model: Model = None,
    on_busy: OnBusy = None,
    url: Url = None,
) -> None:
    """Talk in the terminal. Ctrl-C cancels the turn, and leaves when none runs; so does Ctrl-D."""
    with Service(service_url(url)) as service:
        opened = service.conversation(conversation) if conversation else service.create(agent)
        Chat(service, opened, Console(), chosen(model, on_busy)).run()


class Chat:
    """One person at one conversation."""

    def __init__(self, service: Service, opened: dict[str, Any], console: Console, options: dict[str, str]) -> None:
        self._service = service
        self._options = options
        self._id: str = opened["id"]
        self._agent: str = opened["agent"]
        self._length: int = opened["last_seq"]
        self._console = console
        self._transcript = Transcript(console, console)

    def run(self) -> None:
        """Until the person leaves."""
        offline = ", offline" if self._service.info()["offline"] else ""
        self._console.print(f"Conversation {self._id} with {self._agent}{offline}", style="dim", markup=False)
        self._show_history()
        while (text := self._read()) is not None:
            if text.strip():
                self._take_turn(text)

    def _show_history(self) -> None:
        if self._length == 0:
            return
        for event in self._service.page(self._id, before=self._length + 1, limit=EVENTS_OF_HISTORY):
            self._transcript.show(event)
        self._guarded(self._attend)

    def _read(self) -> str | None:
        try:
            return self._console.input(Text("> ", style="bold green"))
        except (EOFError, KeyboardInterrupt):
            self._console.print()
            return None

    def _take_turn(self, text: str) -> None:
        client_id = uuid.uuid4().hex
        self._transcript.expect(client_id)

        def take() -> None:
            events = speak(self._service, self._id, {"text": text, "client_id": client_id, **self._options})
            show_until_rest(events, self._transcript)
            self._attend()

        try:
            self._guarded(take)
        except ServiceRefused as refusal:
            self._console.print(Text(str(refusal), style="red"))

    def _guarded(self, step: Callable[[], None]) -> None:
        """Run a step; Ctrl-C cancels the turn and shows how it ends, a second one leaves."""
        try:
            step()
        except KeyboardInterrupt:
            self._console.print("\nCancelling; once more leaves", style="dim")
            try:
                self._cancel()
            except KeyboardInterrupt:
                raise typer.Exit(INTERRUPTED) from None

    def _cancel(self) -> None:
        try:
            self._service.cancel(self._id)
        except ServiceRefused as refusal:
            if refusal.code != "not_running":
                raise
        show_until_rest(follow(self._service, self._id, self._transcript), self._transcript)

    def _attend(self) -> None:
        """Ask the person whatever the turn asks, and follow it, until it has ended."""
        while not self._transcript.resting or self._transcript.pending:
            answerable = [call for call in self._transcript.pending.items() if call[1]["kind"] != "client_exec"]
            if self._transcript.pending and not answerable:
                self._console.print("The turn waits for another client; Ctrl-C cancels it.", style="yellow")
            for tool_call_id, asked in answerable:
                self._resolve(tool_call_id, asked)
            show_until_rest(follow(self._service, self._id, self._transcript), self._transcript)

    def _resolve(self, tool_call_id: str, asked: dict[str, Any]) -> None:
        try:
            self._service.resolve(self._id, {"tool_call_id": tool_call_id, **decide(self._console, asked)})
        except ServiceRefused as refusal:
            if refusal.code not in ("stale_resolution", "arguments_changed"):
                raise
            self._console.print("Somebody was faster, or it is too late.", style="yellow")

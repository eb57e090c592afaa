"""`raylogue chat`: a conversation in the terminal, with streaming, tool cards and approvals."""

import uuid
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from deployments.cli.api import ApiClient
from deployments.cli.client_tools import ClientCalls, ClientTools, ClientToolsOption, load_client_tools
from deployments.cli.errors import ServiceRefused
from deployments.cli.options import AgentOption, ModelOption, OnBusyOption, UrlOption, message_options, open_client
from deployments.cli.prompts import PendingCall, ask_for_decision
from deployments.cli.streaming import follow, send_until_accepted, show_until_rest
from deployments.cli.transcript import Transcript

MAX_EVENTS_OF_HISTORY = 50
INTERRUPTED = 130


def chat(
    conversation: Annotated[str | None, typer.Argument(help="Id of one to go on with; else a new one.")] = None,
    agent: AgentOption = None,
    model: ModelOption = None,
    on_busy: OnBusyOption = None,
    client_tools: ClientToolsOption = None,
    url: UrlOption = None,
) -> None:
    """Talk in the terminal. Ctrl-C cancels the turn, and leaves when none runs; so does Ctrl-D."""
    tools = load_client_tools(client_tools)
    with open_client(url, tools) as client:
        opened = client.get_conversation(conversation) if conversation else client.create_conversation(agent)
        Chat(client, opened, Console(), message_options(model, on_busy), tools).run()


class Chat:
    """One person at one conversation."""

    def __init__(
        self,
        client: ApiClient,
        opened: dict[str, Any],
        console: Console,
        options: dict[str, str],
        tools: ClientTools,
    ) -> None:
        self._client = client
        self._options = options
        self._id: str = opened["id"]
        self._agent: str = opened["agent"]
        self._last_seq: int = opened["last_seq"]
        self._console = console
        self._transcript = Transcript(console, console, self._id)
        self._calls = ClientCalls(client, self._id, self._transcript, tools)

    def run(self) -> None:
        """Until the person leaves."""
        agent = next((agent for agent in self._client.list_agents() if agent["name"] == self._agent), None)
        offline = ", offline" if agent is not None and agent["offline"] else ""
        self._console.print(f"Conversation {self._id} with {self._agent}{offline}", style="dim", markup=False)
        self._show_history()
        while (text := self._read_message()) is not None:
            if text.strip():
                self._take_turn(text)

    def _show_history(self) -> None:
        if self._last_seq == 0:
            return
        for event in self._client.get_events(self._id, before=self._last_seq + 1, limit=MAX_EVENTS_OF_HISTORY):
            self._transcript.show(event)
        self._run_interruptibly(self._finish_turn)

    def _read_message(self) -> str | None:
        try:
            return self._console.input(Text("> ", style="bold green"))
        except (EOFError, KeyboardInterrupt):
            self._console.print()
            return None

    def _take_turn(self, text: str) -> None:
        client_id = uuid.uuid4().hex
        self._transcript.hide_message(client_id)

        def run_turn() -> None:
            message = {"text": text, "client_id": client_id, **self._options}
            show_until_rest(send_until_accepted(self._client, self._id, message), self._transcript)
            self._finish_turn()

        try:
            self._run_interruptibly(run_turn)
        except ServiceRefused as refusal:
            self._console.print(Text(str(refusal), style="red"))

    def _run_interruptibly(self, step: Callable[[], None]) -> None:
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
            self._client.cancel(self._id, self._transcript.turn)
        except ServiceRefused as refusal:
            if refusal.code != "not_running":
                raise
        self._follow_until_rest()

    def _finish_turn(self) -> None:
        """Follow the turn until it has ended; run what is for this terminal, ask the person whatever else it asks."""
        while not self._transcript.is_at_rest or self._transcript.pending:
            is_running, pending = self._calls.begin(), self._transcript.pending
            answerable = [item for item in pending.items() if item[1]["kind"] != "client_exec"]
            if pending and not answerable and not is_running:
                self._console.print("The turn waits for another client; Ctrl-C cancels it.", style="yellow")
            for tool_call_id, call in answerable:
                self._resolve(tool_call_id, call)
            self._follow_until_rest()

    def _follow_until_rest(self) -> None:
        events = follow(self._client, self._id, self._transcript)
        show_until_rest(events, self._transcript, self._waits_for_clients)

    def _waits_for_clients(self) -> bool:
        """Whether nothing but calls for clients waits; those for this terminal have been begun then."""
        self._calls.begin()
        kinds = {call["kind"] for call in self._transcript.pending.values()}
        return kinds == {"client_exec"}

    def _resolve(self, tool_call_id: str, call: PendingCall) -> None:
        decision = ask_for_decision(self._console, call)
        try:
            self._client.resolve(self._id, {"tool_call_id": tool_call_id, **decision})
        except ServiceRefused as refusal:
            if refusal.code not in ("stale_resolution", "arguments_changed"):
                raise
            self._console.print("Somebody was faster, or it is too late.", style="yellow")

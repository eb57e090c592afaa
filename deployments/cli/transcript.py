"""Shows the events of a conversation to a person, and remembers how far they have been shown."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from deployments.cli.api import ApiEvent

MAX_SHOWN_CHARACTERS = 600
TURN_ENDS = frozenset({"turn_completed", "turn_cancelled", "turn_failed"})
BETWEEN_TURNS = frozenset({"state_patch", "summary", "delivered"})
"""What may also be logged while no turn runs."""
LOGGED_REASONS = frozenset({"internal", "middleware_failed"})
"""Why turns fail that leave a traceback in the log."""
INTERNAL_ERROR = re.compile(r"failed with an internal error \(call \S+\)\.$")
"""What the result of a call says whose tool has left a traceback in the log."""
SIGNS = {"pending": "☐", "in_progress": "▸", "completed": "☑"}
# All but newline and tab: the words of a model or a tool must not command the terminal.
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Transcript:
    """Text of answers goes to `answers`, everything about them to `notes`; they may be the same console.

    `last_seq` is the last event of the log that was shown, `pending` the calls that wait for people, by tool call id.
    `turn` is the turn that runs, None as long as no event of it tells. `conversation_id` is for advice.
    With `objects_only` the answers are the objects of structured output as JSON, not the attempts at them.
    """

    def __init__(
        self,
        answers: Console,
        notes: Console,
        conversation_id: str = "CONVERSATION",
        *,
        objects_only: bool = False,
    ) -> None:
        self._conversation_id = conversation_id
        self._objects_only = objects_only
        self._answers = answers
        self._notes = notes
        self._shown: dict[str, str] = {}
        self._next_piece: dict[str, int] = {}
        self._calls: dict[str, ApiEvent] = {}
        self._own_messages: set[str] = set()
        self._rests_at: int | None = None
        self._place: int | None = None
        self.last_seq = 0
        self.turn: int | None = None
        self.has_unfinished_turn = False
        self.is_at_rest = False
        self.outcome: str | None = None
        self.pending: dict[str, dict[str, Any]] = {}
        self._handlers: dict[str, Callable[[ApiEvent], None]] = {
            "snapshot": self._note_snapshot,
            "reset": self._note_snapshot,
            "suspended": self._note_pending,
            "starting": self._show_starting,
            "text_delta": self._show_text_delta,
            "tool_progress": self._show_tool_progress,
            "file_changed": self._show_file_changed,
            "title_changed": self._show_title_changed,
            "state_patch": self._show_state_patch,
            "summary": self._show_summary,
            "delivered": self._show_delivered,
            "user_msg": self._show_user_msg,
            "assistant_msg": self._show_assistant_msg,
            "tool_call": self._show_tool_call,
            "resolution": self._note_resolution,
            "tool_result": self._show_tool_result,
            "turn_ended": self._show_turn_ended,
        }

    def hide_message(self, client_id: str) -> None:
        """Do not show this message, which the person has just typed."""
        self._own_messages.add(client_id)

    def show(self, event: ApiEvent) -> None:
        """Show an event; one of the log that was shown already is dropped."""
        if (seq := event.get("seq")) is not None:
            if seq <= self.last_seq:
                return
            self.last_seq = seq
            if event["type"] not in BETWEEN_TURNS:
                self.has_unfinished_turn = event["type"] != "turn_ended"
                if event["type"] != "user_msg":  # which may wait for the next turn
                    self.turn = event.get("turn") if self.has_unfinished_turn else None
        if handler := self._handlers.get(event["type"]):
            handler(event)
        self.is_at_rest = self._rests_after(event)

    def tool_name(self, tool_call_id: str) -> str:
        """The tool of a call that was shown."""
        name: str = self._calls[tool_call_id]["name"] if tool_call_id in self._calls else "a tool"
        return name

    def arguments(self, tool_call_id: str) -> dict[str, Any] | None:
        """The arguments of a call that was shown, as approved; None if it was not shown."""
        call = self._calls.get(tool_call_id)
        return None if call is None else call["arguments"]

    def _rests_after(self, event: ApiEvent) -> bool:
        """Whether the conversation does nothing more by itself after this event."""
        if event["type"] in TURN_ENDS:
            return True
        if event["type"] == "state_changed":
            return bool(event["state"] == "awaiting_input")
        return self._rests_at is not None and self.last_seq >= self._rests_at and self._may_rest

    @property
    def _may_rest(self) -> bool:
        return bool(self.pending) or not self.has_unfinished_turn

    def _note_snapshot(self, event: ApiEvent) -> None:
        self.pending = dict(event["pending"])
        at_rest = event["state"] in ("idle", "awaiting_input")
        self._rests_at = event["last_seq"] if at_rest else None

    def _note_pending(self, event: ApiEvent) -> None:
        self.pending = dict(event["pending"])

    def _show_starting(self, event: ApiEvent) -> None:
        place = event["place"]
        if place != self._place:
            self._place = place
            self._print_note(f"  … waiting for a process, number {place} in the line" if place else "  … starting")

    def _show_text_delta(self, event: ApiEvent) -> None:
        message = event["message_id"]
        shown, expected = self._shown.get(message, ""), self._next_piece.get(message, 0)
        if event["index"] == 0:
            if shown.startswith(event["text"]) and shown:
                return
            self._forget_text(message)
        elif event["index"] != expected:
            return
        self._next_piece[message] = event["next"]
        self._print_text(message, event["text"])

    def _show_assistant_msg(self, event: ApiEvent) -> None:
        if self._objects_only:
            self._show_object(event.get("output"))
            return
        message = event["message_id"]
        text = "\n\n".join(block["text"] for block in event["content"] if block["type"] == "text")
        shown = self._shown.get(message, "")
        if not text.startswith(shown):
            self._forget_text(message)
            shown = ""
        self._print_text(message, text[len(shown) :])
        if text:
            self._answers.print()
        if event["status"] != "completed":
            self._print_note(f"[{event['status']}]")

    def _show_object(self, output: object) -> None:
        if output is not None:
            text = json.dumps(output, ensure_ascii=False, indent=2)
            self._answers.print(strip_controls(text), markup=False, highlight=False, soft_wrap=True)

    def _forget_text(self, message: str) -> None:
        """The text starts anew; what is on the screen already stays, and its line is ended."""
        if self._shown.pop(message, ""):
            self._answers.print()

    def _print_text(self, message: str, text: str) -> None:
        if self._objects_only:
            return
        self._shown[message] = self._shown.get(message, "") + text
        self._answers.print(strip_controls(text), end="", markup=False, highlight=False, soft_wrap=True)

    def _show_user_msg(self, event: ApiEvent) -> None:
        if event.get("client_id") not in self._own_messages:
            text = "\n".join(block.get("text", f"[{block['type']}]") for block in event["content"])
            self._notes.print(Text(f"> {strip_controls(text)}", style="bold"))

    def _show_tool_call(self, event: ApiEvent) -> None:
        self._calls[event["tool_call_id"]] = event
        body = Text(format_arguments(event["arguments"]) or "no arguments")
        title = Text(strip_controls(event["name"]))
        self._notes.print(Panel.fit(body, title=title, title_align="left", border_style="cyan"))

    def _note_resolution(self, event: ApiEvent) -> None:
        """The call is executed with the arguments that the approver has chosen."""
        call = self._calls.get(event["tool_call_id"])
        if call is not None and event.get("arguments") is not None:
            self._calls[event["tool_call_id"]] = {**call, "arguments": event["arguments"]}

    def _show_tool_progress(self, event: ApiEvent) -> None:
        match event["progress"]:
            case {"conversation": str(sub_agent), "state": str(state)}:
                self._print_note(f"  … sub-agent {sub_agent}: {state}")
            case progress:
                self._print_note(f"  … {_shorten(progress)}")

    def _show_file_changed(self, event: ApiEvent) -> None:
        what = "deleted" if event["version"] is None else f"version {event['version']}"
        self._print_note(f"  ✎ {event['path']}: {what}")

    def _show_title_changed(self, event: ApiEvent) -> None:
        self._print_note(f"Title: {event['title']}")

    def _show_state_patch(self, event: ApiEvent) -> None:
        """Of all that is kept, people are shown the plan, and what the model is not shown any more."""
        if event["source"] == "context":
            self._print_note(f"[{_describe_left_out(event['patch'])}]")
        if event["source"] == "TodoList":
            for todo in event["patch"].get("todos") or ():
                self._print_note(f"  {SIGNS.get(todo['status'], '·')} {todo['text']}")

    def _show_summary(self, event: ApiEvent) -> None:
        self._print_note(f"[what was said up to turn {event['through_turn']} is summarised for the agent]")

    def _show_delivered(self, event: ApiEvent) -> None:
        if event["unsent"]:
            sent, count = len(event["bubbles"]), len(event["bubbles"]) + len(event["unsent"])
            told = f"{event['channel']} has sent {sent} of {count} messages of turn {event['answered']}"
            self._print_note(f"[{told}: the rest was not delivered]")

    def _show_tool_result(self, event: ApiEvent) -> None:
        self.pending.pop(event["tool_call_id"], None)
        status = "" if event["status"] == "ok" else f"{event['status']}: "
        self._print_note(f"  └ {status}{_shorten(event['content'])}")
        if event["status"] == "error" and INTERNAL_ERROR.search(str(event["content"])):
            self._print_where(event["turn"])

    def _show_turn_ended(self, event: ApiEvent) -> None:
        self.outcome = event["outcome"]
        self.pending = {}
        if self.outcome == "failed":
            detail = f": {strip_controls(event['detail'])}" if event.get("detail") else ""
            self._notes.print(Text(f"The turn failed ({event['reason']}){detail}", style="red"))
            if event["reason"] in LOGGED_REASONS:
                self._print_where(event["turn"])
        elif self.outcome == "cancelled":
            self._print_note("The turn was cancelled.")

    def _print_where(self, turn: int) -> None:
        self._print_note(f"  `raylogue logs {self._conversation_id} --turn {turn}` shows the traceback.")

    def _print_note(self, text: str) -> None:
        self._notes.print(Text(strip_controls(text), style="dim"))


def _describe_left_out(patch: ApiEvent) -> str:
    """What the model is not shown from here on, and why."""
    dropped = patch.get("dropped") or []
    said = {
        "dropped by a person": dropped,
        "refused by the provider": [turn for turn in patch["turns"] if turn not in dropped],
        "whose pictures the provider refused": patch["pictures"],
    }
    parts = [f"turns {why}: {', '.join(map(str, turns))}" for why, turns in said.items() if turns]
    if patch["first_turn"]:
        parts.append(f"all turns before {patch['first_turn']}")
    return f"left out for the model: {'; '.join(parts)}" if parts else "the model is shown every turn again"


def strip_controls(text: str) -> str:
    """The text without what a terminal would take for a command."""
    return CONTROL_CHARACTERS.sub("", text)


def format_time(at_ms: int) -> str:
    """A time of the API, ms since the epoch, on this machine's clock."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone():%Y-%m-%d %H:%M}"


def format_arguments(arguments: dict[str, Any]) -> str:
    """Arguments for people: one to a line, long ones cut."""
    return "\n".join(f"{name}: {_shorten(value)}" for name, value in arguments.items())


def _shorten(content: object) -> str:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return strip_controls(text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…")

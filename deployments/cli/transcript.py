"""Shows the events of a conversation to a person, and remembers how far they have been shown."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from deployments.cli.sse import Event

LONGEST_SHOWN = 600
TURN_ENDS = frozenset({"turn_completed", "turn_cancelled", "turn_failed"})
AT_ANY_TIME = frozenset({"state_patch", "summary"})
"""What is logged also when no turn runs."""
SIGNS = {"pending": "☐", "in_progress": "▸", "completed": "☑"}
# Everything but newline and tab: what a model or a tool says must not command the terminal.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Transcript:
    """Text of answers goes to `answers`, everything about them to `notes`; they may be one console.

    `last_seq` is the last event of the log that was shown, `pending` what waits for people, by tool call id.
    """

    def __init__(self, answers: Console, notes: Console) -> None:
        self._answers = answers
        self._notes = notes
        self._shown: dict[str, str] = {}
        self._next_piece: dict[str, int] = {}
        self._calls: dict[str, Event] = {}
        self._own: set[str] = set()
        self._rests_at: int | None = None
        self.last_seq = 0
        self.unfinished = False
        self.resting = False
        self.outcome: str | None = None
        self.pending: dict[str, dict[str, Any]] = {}
        self._rooms: dict[str, Callable[[Event], None]] = {
            "snapshot": self._snapshot,
            "reset": self._snapshot,
            "suspended": self._suspended,
            "text_delta": self._text_delta,
            "tool_progress": self._tool_progress,
            "file_changed": self._file_changed,
            "title_changed": self._title_changed,
            "state_patch": self._state_patch,
            "summary": self._summary,
            "user_msg": self._user_msg,
            "assistant_msg": self._assistant_msg,
            "tool_call": self._tool_call,
            "tool_result": self._tool_result,
            "turn_ended": self._turn_ended,
        }

    def expect(self, client_id: str) -> None:
        """A message that the person has just typed need not be shown again."""
        self._own.add(client_id)

    def show(self, event: Event) -> None:
        """Show an event; one of the log that was shown already is dropped."""
        if (seq := event.get("seq")) is not None:
            if seq <= self.last_seq:
                return
            self.last_seq = seq
            if event["type"] not in AT_ANY_TIME:
                self.unfinished = event["type"] != "turn_ended"
        if room := self._rooms.get(event["type"]):
            room(event)
        self.resting = self._rests(event)

    def call(self, tool_call_id: str) -> tuple[str, str]:
        """The name and the arguments, as shown, of a call."""
        call = self._calls.get(tool_call_id, {"name": "a tool", "arguments": {}})
        return call["name"], worded(call["arguments"])

    def _rests(self, event: Event) -> bool:
        """Whether the conversation does nothing more by itself after this event."""
        if event["type"] in TURN_ENDS:
            return True
        if event["type"] == "state_changed":
            return bool(event["state"] == "awaiting_input")
        return self._rests_at is not None and self.last_seq >= self._rests_at and self._may_rest

    @property
    def _may_rest(self) -> bool:
        return bool(self.pending) or not self.unfinished

    def _snapshot(self, event: Event) -> None:
        self.pending = dict(event["pending"])
        at_rest = event["state"] in ("idle", "awaiting_input")
        self._rests_at = event["last_seq"] if at_rest else None

    def _suspended(self, event: Event) -> None:
        self.pending = dict(event["pending"])

    def _text_delta(self, event: Event) -> None:
        message = event["message_id"]
        shown, expected = self._shown.get(message, ""), self._next_piece.get(message, 0)
        if event["index"] == 0:
            if shown.startswith(event["text"]) and shown:
                return
            self._forget_text(message)
        elif event["index"] != expected:
            return
        self._next_piece[message] = event["next"]
        self._say(message, event["text"])

    def _assistant_msg(self, event: Event) -> None:
        message = event["message_id"]
        text = "\n\n".join(block["text"] for block in event["content"] if block["type"] == "text")
        shown = self._shown.get(message, "")
        if not text.startswith(shown):
            self._forget_text(message)
            shown = ""
        self._say(message, text[len(shown) :])
        if text:
            self._answers.print()
        if event["status"] != "completed":
            self._note(f"[{event['status']}]")

    def _forget_text(self, message: str) -> None:
        """The text starts anew: what stands on the screen already stays, ended by a line."""
        if self._shown.pop(message, ""):
            self._answers.print()

    def _say(self, message: str, text: str) -> None:
        self._shown[message] = self._shown.get(message, "") + text
        self._answers.print(harmless(text), end="", markup=False, highlight=False, soft_wrap=True)

    def _user_msg(self, event: Event) -> None:
        if event.get("client_id") not in self._own:
            said = "\n".join(block.get("text", f"[{block['type']}]") for block in event["content"])
            self._notes.print(Text(f"> {harmless(said)}", style="bold"))

    def _tool_call(self, event: Event) -> None:
        self._calls[event["tool_call_id"]] = event
        body = Text(worded(event["arguments"]) or "no arguments")
        title = Text(harmless(event["name"]))
        self._notes.print(Panel.fit(body, title=title, title_align="left", border_style="cyan"))

    def _tool_progress(self, event: Event) -> None:
        match event["progress"]:
            case {"conversation": str(child), "state": str(state)}:
                self._note(f"  … sub-agent {child}: {state}")
            case progress:
                self._note(f"  … {_brief(progress)}")

    def _file_changed(self, event: Event) -> None:
        what = "deleted" if event["version"] is None else f"version {event['version']}"
        self._note(f"  ✎ {event['path']}: {what}")

    def _title_changed(self, event: Event) -> None:
        self._note(f"Title: {event['title']}")

    def _state_patch(self, event: Event) -> None:
        """Of all that middleware keeps, the plan is for people."""
        if event["source"] == "TodoList":
            for todo in event["patch"].get("todos") or ():
                self._note(f"  {SIGNS.get(todo['status'], '·')} {todo['text']}")

    def _summary(self, event: Event) -> None:
        self._note(f"[what was said up to turn {event['through_turn']} is summarised for the agent]")

    def _tool_result(self, event: Event) -> None:
        self.pending.pop(event["tool_call_id"], None)
        status = "" if event["status"] == "ok" else f"{event['status']}: "
        self._note(f"  └ {status}{_brief(event['content'])}")

    def _turn_ended(self, event: Event) -> None:
        self.outcome = event["outcome"]
        self.pending = {}
        if self.outcome == "failed":
            detail = f": {harmless(event['detail'])}" if event.get("detail") else ""
            self._notes.print(Text(f"The turn failed ({event['reason']}){detail}", style="red"))
        elif self.outcome == "cancelled":
            self._note("The turn was cancelled.")

    def _note(self, text: str) -> None:
        self._notes.print(Text(harmless(text), style="dim"))


def harmless(text: str) -> str:
    """The text without what a terminal would take as a command."""
    return CONTROLS.sub("", text)


def moment(at: int) -> str:
    """A time of the API's, ms since the epoch, on this machine's clock."""
    return f"{datetime.fromtimestamp(at / 1000, UTC).astimezone():%Y-%m-%d %H:%M}"


def worded(arguments: dict[str, Any]) -> str:
    """Arguments for people: one to a line, long ones cut."""
    return "\n".join(f"{name}: {_brief(value)}" for name, value in arguments.items())


def _brief(content: object) -> str:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return harmless(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…")

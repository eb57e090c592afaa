"""`raylogue trace`: what happened in a turn, and how long each part took; it needs no tracing backend."""

import json as json_text
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from deployments.cli.api import JsonObject
from deployments.cli.options import ConversationArgument, JsonOption, UrlOption, open_client
from deployments.cli.transcript import strip_controls

INDENT = "  "
MAX_NAME_CHARACTERS = 60
LABELS: dict[str, str] = {"model_call": "model", "tool_call": "tool"}
STYLES: dict[str, str] = {"message": "bold", "model_call": "cyan", "tool_call": "green", "question": "yellow"}
FINE = frozenset({"accepted", "completed", "ok", "kept", "approve", "edit", "respond"})


def trace(
    conversation: ConversationArgument,
    turn: Annotated[int | None, typer.Argument(help="The number of the turn; the newest by default.", min=1)] = None,
    json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Print the time line of a turn: messages, model calls, tools, questions, and sub-agents' turns within them."""
    with open_client(url) as client:
        found = client.get_trace(conversation, turn)
    if json:
        typer.echo(json_text.dumps(found))
        return
    console = Console()
    for line in render(found):
        console.print(line, soft_wrap=True)


def render(turn: JsonObject) -> Iterator[Text]:
    """A line for the turn, then one for each part: when it began, how long it took, what it was."""
    yield _heading(turn)
    yield from _lines(turn, turn["began_at"], 1)
    if turn["is_cut"]:
        yield Text("… and more, which is not shown", style="dim")


def _heading(turn: JsonObject) -> Text:
    began = datetime.fromtimestamp(turn["began_at"] / 1000, UTC).astimezone()
    ended = turn["ended_at"] or turn["as_of"]
    outcome = turn["status"] + (f" ({turn['reason']})" if turn["reason"] else "")
    told = [
        f"{outcome} {'in' if turn['ended_at'] else 'for'} {_duration(ended - turn['began_at'])}",
        *_spent(turn["usage"], turn["cost"]),
    ]
    if (turn["incarnations"] or 1) > 1:
        told.append(f"{turn['incarnations']} incarnations")
    text = f"Turn {turn['turn']} of {turn['conversation_id']} ({turn['agent']}), {began:%Y-%m-%d %H:%M:%S}: "
    return Text(strip_controls(text + ", ".join(told)), style="bold")


def _lines(turn: JsonObject, zero: int, depth: int) -> Iterator[Text]:
    several = (turn["incarnations"] or 1) > 1
    for part in turn["parts"]:
        yield _line(part, zero, turn["as_of"], depth + (part["within"] is not None), several=several)
        if part["turn"] is not None:
            inner = part["turn"]
            name = f"{INDENT * (depth + 1)}{inner['agent']}, turn {inner['turn']} of {inner['conversation_id']}"
            yield Text(f"{'':>20}{strip_controls(name)}", style="dim")
            yield from _lines(inner, zero, depth + 2)


def _line(part: JsonObject, zero: int, now: int, depth: int, *, several: bool) -> Text:
    ended = part["ended_at"]
    lasted = (now if ended is None else ended) - part["began_at"]
    took = "" if ended == part["began_at"] else _duration(lasted) + ("…" if ended is None else "")
    name = " ".join(strip_controls(part["name"]).split())
    shown = name if len(name) <= MAX_NAME_CHARACTERS else f"{name[: MAX_NAME_CHARACTERS - 1]}…"
    told = [part["status"], *_spent(part["usage"], part["cost"])]
    if part["waited_ms"]:
        told.append(f"waited {_duration(part['waited_ms'])}")
    if part["by"]:
        told.append(f"by {part['by']}")
    if several and part["incarnation"]:
        told.append(f"incarnation {part['incarnation']}")
    line = Text(f"{_offset(part['began_at'] - zero):>10}{took:>10}{INDENT * depth}")
    kind: str = part["kind"]
    line.append(LABELS.get(kind, kind), style=STYLES.get(kind, ""))
    line.append(f" {shown}" if shown else "")
    line.append(f"  {strip_controls(', '.join(told))}", style="dim" if part["status"] in FINE else "red")
    return line


def _spent(usage: JsonObject, cost: int | None) -> Iterator[str]:
    read = sum(count for name, count in usage.items() if name.endswith("input_tokens"))
    if read or usage.get("output_tokens"):
        yield f"{read:,} + {usage.get('output_tokens', 0):,} tokens"
    if cost:
        yield f"${cost / 1_000_000:.4f}"


def _offset(ms: int) -> str:
    return f"+{_duration(ms)}"


def _duration(ms: int) -> str:
    """In the unit that people would say it in."""
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.3f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"

"""Writes a conversation as Markdown, for people: what was said, called and asked, turn by turn."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import singledispatch
from typing import Any

import orjson

from agents.codec import decode
from agents.copies.whole_turns import read_page
from agents.turn import Event, Logged
from agents.turn.events import (
    AssistantMsg,
    Delivered,
    Resolution,
    StatePatch,
    Summary,
    Suspension,
    ToolCall,
    ToolResult,
    TurnEnded,
    UserMsg,
)
from store import ConversationMeta, Store

BACKTICKS = re.compile(r"`+")
KINDS = {"approval": "to approve", "elicitation": "to answer", "client_exec": "for the client to execute"}


async def markdown(store: Store, meta: ConversationMeta) -> AsyncIterator[str]:
    """The transcript, some events at a time, the turn that runs included; then those of the sub-agents.

    Raises ConversationNotFound, UnreadableRecord, and what a read may raise of the archive.
    """
    waiting = [meta]
    while waiting:
        one = waiting.pop(0)
        yield _head(one)
        after, turn = 0, 0
        while after < one.last_seq:
            page = await read_page(store, one, after)
            parts: list[str] = []
            for logged in map(decode, page):
                if logged.event.turn > turn and not isinstance(logged.event, StatePatch | Delivered):
                    turn = logged.event.turn
                    parts.append(f"## Turn {turn}\n\n")
                parts += (f"{part}\n\n" for part in _shown(logged.event, logged))
            after = page[-1].seq
            yield "".join(parts)
        waiting += await store.registry.children(one.id)


def _head(meta: ConversationMeta) -> str:
    title = _line(meta.title or meta.id)
    facts = [f"- Conversation: {_code(meta.id)}", f"- Agent: {_code(meta.agent)}", f"- Owner: {_line(meta.principal)}"]
    if meta.parent is not None:
        title = f"Sub-agent: {title}"
        facts.append(f"- Called by: {_code(meta.parent)}, {_code(meta.parent_call or '')}")
    if meta.forked_from is not None:
        facts.append(f"- Forked from: {_code(meta.forked_from)} at {meta.forked_seq}")
    facts.append(f"- From {_time(meta.created_at)} to {_time(meta.updated_at)}")
    lines = "\n".join(facts)
    return f"# {title}\n\n{lines}\n\n"


@singledispatch
def _shown(event: Event, logged: Logged) -> Iterator[str]:
    """The paragraphs of an event; none for what is not for people."""
    yield from ()


@_shown.register
def _(event: UserMsg, logged: Logged) -> Iterator[str]:
    yield f"**{_line(event.principal or event.origin)}** · {_time(logged.at)}"
    yield from map(_block, event.content)


@_shown.register
def _(event: AssistantMsg, logged: Logged) -> Iterator[str]:
    told = [shown for block in event.content if (shown := _block(block))]
    if told or event.status != "completed":
        status = "" if event.status == "completed" else f" · {event.status}"
        yield f"**Assistant** ({_line(event.model or 'model')}) · {_time(logged.at)}{status}"
        yield from told


@_shown.register
def _(event: ToolCall, logged: Logged) -> Iterator[str]:
    yield f"**Call** of {_code(event.name)} · {_time(logged.at)}"
    yield _fenced(_json(event.arguments), "json")


@_shown.register
def _(event: ToolResult, logged: Logged) -> Iterator[str]:
    yield f"**Result** ({event.status}) · {_time(logged.at)}"
    if isinstance(event.content, str):
        yield _fenced(event.content)
    else:
        yield from (_fenced(block["text"]) if block["type"] == "text" else _block(block) for block in event.content)


@_shown.register
def _(event: Suspension, logged: Logged) -> Iterator[str]:
    yield f"**Question**, {KINDS[event.kind]} · {_time(logged.at)}"
    yield _quoted(event.prompt)


@_shown.register
def _(event: Resolution, logged: Logged) -> Iterator[str]:
    who = _line(event.principal) if event.principal else "the clock" if event.decision == "expire" else "a person"
    yield f"**Decision** of {who}: {event.decision} · {_time(logged.at)}"
    if event.reason:
        yield _quoted(event.reason)
    if event.arguments is not None:
        yield _fenced(_json(event.arguments), "json")
    if event.answer is not None:
        yield _quoted(event.answer) if isinstance(event.answer, str) else _fenced(_json(event.answer), "json")


@_shown.register
def _(event: TurnEnded, logged: Logged) -> Iterator[str]:
    if event.outcome != "completed":
        why = ": ".join(part for part in (event.reason, event.detail) if part)
        yield f"*Turn {event.turn} was {event.outcome}{f' ({_line(why)})' if why else ''} · {_time(logged.at)}*"


@_shown.register
def _(event: Summary, logged: Logged) -> Iterator[str]:
    yield f"*For the model, the turns up to {event.through_turn} were summarised · {_time(logged.at)}:*"
    yield _quoted(event.text)


@_shown.register
def _(event: Delivered, logged: Logged) -> Iterator[str]:
    sent, unsent = len(event.bubbles), len(event.unsent)
    told = f"has sent {sent} of {sent + unsent} messages of turn {event.answered}"
    yield f"*{_line(event.channel)} {told} · {_time(logged.at)}*"


def _block(block: Mapping[str, Any]) -> str:
    """Text as it is; an attachment by name; nothing for a call, which has an event of its own."""
    match block.get("type"):
        case "text":
            return str(block.get("text", ""))
        case "thinking":
            return _quoted(str(block.get("thinking", "")))
        case "image" | "document" as kind:
            source = block.get("source") or {}
            about = block.get("title") or source.get("url") or source.get("media_type") or ""
            return f"[{kind}: {_line(str(about))}]"
        case _:
            return ""


def _fenced(text: str, language: str = "") -> str:
    """A block of code that its text cannot end."""
    fence = "`" * max(3, 1 + max((len(run) for run in BACKTICKS.findall(text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _code(text: str) -> str:
    return f"`{_line(text).replace('`', chr(39))}`"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())


def _line(text: str) -> str:
    """In one line."""
    return " ".join(text.split())


def _json(value: Mapping[str, Any] | Sequence[Any] | object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

"""How many tokens something is: as the provider counted them if it has, else by the number of characters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agents.middleware.pipeline.request import Request
from agents.turn.events import AssistantMsg, Event, Summary, ToolCall, ToolResult, TurnEnded, UserMsg

CHARACTERS_PER_TOKEN = 4
FLAT = {"image": 1_600, "document": 8_000}
"""Tokens of a block whose size says nothing: what it costs depends on its pixels or pages."""


def tokens_of(value: Any) -> int:  # noqa: ANN401 - any JSON value
    """Roughly; never less than one."""
    return max(1, _characters(value) // CHARACTERS_PER_TOKEN)


def counted(usage: Mapping[str, int]) -> int:
    """What an answer's call had in its context, the answer included; 0 if nobody counted."""
    return sum(tokens for kind, tokens in usage.items() if kind.endswith("_tokens"))


def tokens_to_send(request: Request, events: Iterable[Event]) -> int:
    """The size of a request: the provider's count for the last answer and what has come since, else an estimate."""
    last = last_count(events)
    if last:
        return last + tokens_of(_since_last_answer(request.messages))
    parts = [*request.system, *request.messages, *request.injected, *(tool.definition() for tool in request.tools)]
    return tokens_of(parts)


def last_count(events: Iterable[Event]) -> int:
    """The provider's count for the last answer; 0 if it has none, or if a summary has made it out of date."""
    last, outdated, running = 0, False, False
    for event in events:
        match event:
            case UserMsg():
                running = True
            case AssistantMsg():
                # An answer that was under way when the summary came was given to the whole old context.
                last, outdated = (0 if outdated else counted(event.usage)), False
            case Summary():
                last, outdated = 0, running
            case TurnEnded():
                running, outdated = False, False
    return last


def tokens_by_turn(events: Iterable[Event]) -> dict[int, int]:
    """What each turn brings into the context when nothing of it is left out."""
    sizes: dict[int, int] = {}
    for event in events:
        match event:
            case UserMsg(content=content) | AssistantMsg(content=content) | ToolResult(content=content):
                sizes[event.turn] = sizes.get(event.turn, 0) + tokens_of(content)
            case ToolCall(arguments=arguments):
                sizes[event.turn] = sizes.get(event.turn, 0) + tokens_of(arguments)
    return dict(sorted(sizes.items()))


def _since_last_answer(messages: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    for position in range(len(messages) - 1, -1, -1):
        if messages[position]["role"] == "assistant":
            return messages[position + 1 :]
    return messages


def _characters(value: Any) -> int:  # noqa: ANN401 - any JSON value
    match value:
        case str():
            return len(value)
        case Mapping():
            flat = FLAT.get(str(value.get("type")))
            if flat is not None and _is_opaque(value.get("source")):
                return flat * CHARACTERS_PER_TOKEN
            return sum(len(key) + _characters(part) for key, part in value.items())
        case Sequence():
            return sum(map(_characters, value))
        case _:
            return CHARACTERS_PER_TOKEN


def _is_opaque(source: object) -> bool:
    return isinstance(source, Mapping) and source.get("type") not in ("text", "content")

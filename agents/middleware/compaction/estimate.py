"""How many tokens something has: by the provider's count if there is one, else estimated from its characters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

from agents.middleware.pipeline.exchange import Request
from agents.turn.events import AssistantMsg, Event, Summary, ToolCall, ToolResult, TurnEnded, UserMsg

CHARACTERS_PER_TOKEN = 4
FLAT_TOKENS = {"image": 1_600, "document": 8_000}
"""Tokens of a block whose size in characters says nothing: its cost depends on its pixels or pages."""
BYTES_PER_TOKEN = 160
"""An image or document has at least so many tokens by its bytes: a request may have 32 MB, and 200,000 tokens."""


class Size(NamedTuple):
    """The tokens of a request; `scale` is how many of them an estimated token of its older part stands for."""

    tokens: int
    scale: float = 1.0


def estimate_tokens(value: Any) -> int:  # noqa: ANN401 - any JSON value
    """Roughly, and at least one."""
    return max(1, _characters(value) // CHARACTERS_PER_TOKEN)


def tokens_used(usage: Mapping[str, int]) -> int:
    """The tokens in the context of a model call, including its answer; 0 if the provider did not count them."""
    return sum(tokens for kind, tokens in usage.items() if kind.endswith("_tokens"))


def tokens_to_send(request: Request, events: Iterable[Event]) -> int:
    """The size of a request: the provider's count at the last answer, if there is one, and an estimate of the rest."""
    last = tokens_at_last_answer(events)
    return last + estimate_tokens(after_last_answer(request.messages)) if last else estimate_tokens(request.parts())


def tokens_at_last_answer(events: Iterable[Event]) -> int:
    """The provider's count at the last answer; 0 if there is none, or if a summary has outdated it."""
    last, outdated, running = 0, False, False
    for event in events:
        match event:
            case UserMsg():
                running = True
            case AssistantMsg():
                # An answer that was streaming when the summary came was given to the whole old context.
                last, outdated = (0 if outdated else tokens_used(event.usage)), False
            case Summary():
                last, outdated = 0, running
            case TurnEnded():
                running, outdated = False, False
    return last


def tokens_by_turn(events: Iterable[Event]) -> dict[int, int]:
    """The tokens that each turn adds to the context when nothing of it is left out."""
    sizes: dict[int, int] = {}
    for event in events:
        match event:
            case UserMsg(content=content) | AssistantMsg(content=content) | ToolResult(content=content):
                sizes[event.turn] = sizes.get(event.turn, 0) + estimate_tokens(content)
            case ToolCall(arguments=arguments):
                sizes[event.turn] = sizes.get(event.turn, 0) + estimate_tokens(arguments)
    return dict(sorted(sizes.items()))


def after_last_answer(messages: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The messages that came since the last answer; all of them if there is none."""
    for position in range(len(messages) - 1, -1, -1):
        if messages[position]["role"] == "assistant":
            return messages[position + 1 :]
    return messages


def _characters(value: Any) -> int:  # noqa: ANN401 - any JSON value
    match value:
        case str():
            return len(value) if value.isascii() else _letters(value)
        case Mapping():
            flat = FLAT_TOKENS.get(str(value.get("type")))
            if flat is not None and _is_opaque(source := value.get("source")):
                return max(flat, len(str(source.get("data", ""))) // BYTES_PER_TOKEN) * CHARACTERS_PER_TOKEN
            return sum(len(key) + _characters(part) for key, part in value.items())
        case Sequence():
            return sum(map(_characters, value))
        case _:
            return CHARACTERS_PER_TOKEN


def _letters(text: str) -> int:
    """The text in letters of ours: a Chinese character has as many tokens as four of them."""
    return len(text) + 3 * (len(text.encode(errors="replace")) - len(text)) // 2


def _is_opaque(source: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(source, Mapping) and source.get("type") not in ("text", "content")

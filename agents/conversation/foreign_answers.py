"""Answers that another provider wrote: the one that is asked now is shown only what it can read of them."""

from collections.abc import Sequence
from dataclasses import replace

from agents.models.provider import portable_blocks
from agents.turn.events import AssistantMsg, Event


def readable_by(provider: str, events: Sequence[Event]) -> Sequence[Event]:
    """The events as that provider can read them. An answer of which the log does not say who wrote it stays whole."""
    last = next((event for event in reversed(events) if isinstance(event, AssistantMsg)), None)
    return [_readable(event, is_last=event is last) if _is_foreign(event, provider) else event for event in events]


def _is_foreign(event: Event, provider: str) -> bool:
    return isinstance(event, AssistantMsg) and event.provider not in (None, provider)


def _readable(event: Event, *, is_last: bool) -> Event:
    """One that its provider has paused cannot be continued by another: it is asked from the beginning."""
    assert isinstance(event, AssistantMsg)
    content = portable_blocks(event.content)
    has_calls = any(block["type"] == "tool_call" for block in content)
    return replace(event, content=[] if is_last and event.stop_reason == "pause_turn" and not has_calls else content)

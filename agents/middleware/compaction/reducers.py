"""What can be left out of a request at no cost: the content of old tool results, then the oldest whole turns.

What is left out once stays out. How far each reducer has gone is a position in the log, kept in the middleware's
state. It moves only when the request is too large again, and then so far that it stays there for many calls. So the
messages before it are the same in every call, and the provider finds them in its cache. If the position were computed
anew for each call, it would move a little each time, and everything after it would be paid for again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from agents.middleware.compaction.estimate import estimate_tokens, tokens_by_turn
from agents.middleware.pipeline.exchange import Request
from agents.models import Json
from agents.projection import project
from agents.turn.events import Event, ToolCall, UserMsg
from agents.turn.inputs import ModelRef

STUB = "[This result was left out to save space. Call the tool again if you need it.]"
OMISSION = "[The oldest messages of this conversation are left out here.]"

MIN_STUBBED_CHARACTERS = 4 * len(STUB)
"""A shorter result stays as it is."""
MIN_FREED_SHARE = 0.25
"""The results that are stubbed together must free at least this part of the threshold."""
WINDOW_LOW_WATER = 0.6
"""The part of the threshold to which the window is shortened."""

Position = tuple[int, int]
"""A model call: its turn and step."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """How far the reducers have gone: results up to `stubbed` are stubs, turns before `first_turn` are left out."""

    stubbed: Position = (0, 0)
    first_turn: int = 0

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self:
        """From the middleware's durable state."""
        turn, step = state.get("stubbed", (0, 0))
        return cls((turn, step), state.get("first_turn", 0))

    def patch_since(self, before: "Reduction") -> dict[str, Any]:
        """The patch of the durable state that leads from `before` to this."""
        changed: dict[str, Any] = {}
        if self.stubbed != before.stubbed:
            changed["stubbed"] = list(self.stubbed)
        if self.first_turn != before.first_turn:
            changed["first_turn"] = self.first_turn
        return changed

    def apply(self, request: Request, events: Sequence[Event]) -> Request:
        """The request without what is left out; every call keeps its result."""
        stubs = {call.tool_call_id for call in _stubbable(events) if _position(call) <= self.stubbed}
        messages = _from_turn([_with_stubs(message, stubs) for message in request.messages], events, self.first_turn)
        return replace(request, messages=messages)


def stub_further(
    reduction: Reduction, request: Request, events: Sequence[Event], *, keep_steps: int, threshold: int
) -> tuple[Reduction, int]:
    """Stub all results but those of the last `keep_steps` model calls that had any; also the tokens that this frees.

    Unless that frees enough to be worth a new prefix, the reduction stays as it is.
    """
    positions = sorted({_position(call) for call in _stubbable(events)})
    if len(positions) <= keep_steps:
        return reduction, 0
    moved = replace(reduction, stubbed=max(reduction.stubbed, positions[-keep_steps - 1]))
    freed = _size(reduction.apply(request, events)) - _size(moved.apply(request, events))
    return (moved, freed) if freed >= threshold * MIN_FREED_SHARE else (reduction, 0)


def shorten_window(
    reduction: Reduction, events: Sequence[Event], *, turn: int, excess: int, threshold: int
) -> Reduction:
    """Leave out whole turns, oldest first, until the request is well below the threshold; never the current turn."""
    to_free = excess + round(threshold * (1 - WINDOW_LOW_WATER))
    stubs = {call.tool_call_id for call in _stubbable(events) if _position(call) <= reduction.stubbed}
    first_turn = reduction.first_turn
    for number, size in tokens_by_turn(_without(events, stubs)).items():
        if to_free <= 0 or number >= turn:
            break
        if number >= reduction.first_turn:
            first_turn, to_free = number + 1, to_free - size
    return replace(reduction, first_turn=first_turn)


def _stubbable(events: Iterable[Event]) -> list[ToolCall]:
    """Calls that the model can make again. Answers of people are kept: the person would have to be asked again."""
    return [event for event in events if isinstance(event, ToolCall) and event.executor != "human"]


def _position(call: ToolCall) -> Position:
    return call.turn, call.step


def _size(request: Request) -> int:
    return estimate_tokens(request.messages)


def _without(events: Iterable[Event], tool_call_ids: set[str]) -> list[Event]:
    return [event for event in events if getattr(event, "tool_call_id", None) not in tool_call_ids]


def _with_stubs(message: Json, tool_call_ids: set[str]) -> Json:
    content = message["content"]
    if isinstance(content, str) or not any(_is_to_stub(block, tool_call_ids) for block in content):
        return message
    blocks = [{**block, "content": STUB} if _is_to_stub(block, tool_call_ids) else block for block in content]
    return {**message, "content": blocks}


def _is_to_stub(block: Json, tool_call_ids: set[str]) -> bool:
    if block["type"] != "tool_result" or block["tool_use_id"] not in tool_call_ids:
        return False
    content = block.get("content", "")
    return estimate_tokens(content) > estimate_tokens("x" * MIN_STUBBED_CHARACTERS)


def _from_turn(messages: Sequence[Json], events: Sequence[Event], first_turn: int) -> Sequence[Json]:
    """The messages from `first_turn` on.

    The place is found by projecting the events up to the message that begins that turn: the turn before may have left
    text in the same message. If other middleware has changed the messages so that they do not begin with that
    projection, nothing is cut.
    """
    user_messages = [
        event for event in events if isinstance(event, UserMsg) and (event.turn, event.step) == (first_turn, 1)
    ]
    prefix = project((event for event in events if event.turn <= first_turn), ModelRef(turn=first_turn, step=1))
    if not user_messages or not _begins_with(messages, prefix):
        return messages
    offset = len(prefix[-1]["content"]) - sum(len(event.content) for event in user_messages)
    if len(prefix) == 1 and offset == 0:
        return messages
    first = messages[len(prefix) - 1]
    note = {"type": "text", "text": OMISSION}
    return [{**first, "content": [note, *first["content"][offset:]]}, *messages[len(prefix) :]]


def _begins_with(messages: Sequence[Json], prefix: Sequence[Json]) -> bool:
    if len(messages) < len(prefix):
        return False
    pairs = list(zip(messages, prefix, strict=False))
    same = all(shown["role"] == expected["role"] and not isinstance(shown["content"], str) for shown, expected in pairs)
    whole = all(len(shown["content"]) == len(expected["content"]) for shown, expected in pairs[:-1])
    return same and whole and len(pairs[-1][0]["content"]) >= len(pairs[-1][1]["content"])

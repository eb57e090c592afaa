"""What can be left out of a request for nothing: the content of old tool results, then the oldest whole turns.

What is once left out stays out: how far each reducer has gone is a position in the log, kept in the middleware's
state, that moves only when the request is too large again, and then by so much that it rests for a long while. So
the messages before it come again unchanged with every call, and the provider finds them in its cache. Were they
decided anew at each call, a little more would go each time, and everything behind it would be paid for again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from agents.middleware.compaction.estimate import tokens_by_turn, tokens_of
from agents.middleware.pipeline.request import Request
from agents.models import Json
from agents.projection import project
from agents.turn.events import Event, ToolCall, UserMsg
from agents.turn.inputs import ModelRef

STUB = "[This result was left out to save space. Call the tool again if you need it.]"
OMISSION = "[The oldest messages of this conversation are left out here.]"

WORTH_STUBBING = 4 * len(STUB)
"""Characters; a shorter result stays."""
WORTH_A_MOVE = 4
"""What is stubbed at once must free at least this part of the threshold."""
LOW_WATER = 0.6
"""To which part of the threshold the window is shortened."""

Position = tuple[int, int]
"""A model call: its turn and step."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """How far the reducers have gone: results up to `stubbed` are stubs, turns before `first_turn` are left out."""

    stubbed: Position = (0, 0)
    first_turn: int = 0

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self:
        """What a middleware's durable state says."""
        turn, step = state.get("stubbed", (0, 0))
        return cls((turn, step), state.get("first_turn", 0))

    def changes(self, before: "Reduction") -> dict[str, Any]:
        """The patch of the state that makes it say this."""
        changed: dict[str, Any] = {}
        if self.stubbed != before.stubbed:
            changed["stubbed"] = list(self.stubbed)
        if self.first_turn != before.first_turn:
            changed["first_turn"] = self.first_turn
        return changed

    def apply(self, request: Request, events: Sequence[Event]) -> Request:
        """The request without what is left out; every call keeps its result."""
        stubs = {call.tool_call_id for call in _stubbable(events) if _place(call) <= self.stubbed}
        messages = _cut([_stubbed(message, stubs) for message in request.messages], events, self.first_turn)
        return replace(request, messages=messages)


def further_stubs(
    reduction: Reduction, request: Request, events: Sequence[Event], *, keep_steps: int, threshold: int
) -> tuple[Reduction, int]:
    """Stub all results but those of the last `keep_steps` model calls that made any; also what that frees.

    If it would not free enough to be worth a new prefix, nothing moves.
    """
    places = sorted({_place(call) for call in _stubbable(events)})
    if len(places) <= keep_steps:
        return reduction, 0
    moved = replace(reduction, stubbed=max(reduction.stubbed, places[-keep_steps - 1]))
    freed = _size(reduction.apply(request, events)) - _size(moved.apply(request, events))
    return (moved, freed) if freed * WORTH_A_MOVE >= threshold else (reduction, 0)


def further_window(
    reduction: Reduction, events: Sequence[Event], *, turn: int, excess: int, threshold: int
) -> Reduction:
    """Leave out whole turns, oldest first, until the request is well below the threshold; never the turn at hand."""
    to_free = excess + round(threshold * (1 - LOW_WATER))
    stubs = {call.tool_call_id for call in _stubbable(events) if _place(call) <= reduction.stubbed}
    first_turn = reduction.first_turn
    for number, size in tokens_by_turn(_without(events, stubs)).items():
        if to_free <= 0 or number >= turn:
            break
        if number >= reduction.first_turn:
            first_turn, to_free = number + 1, to_free - size
    return replace(reduction, first_turn=first_turn)


def _stubbable(events: Iterable[Event]) -> list[ToolCall]:
    """Calls that can be made again; what people have answered they would have to be asked again."""
    return [event for event in events if isinstance(event, ToolCall) and event.executor != "human"]


def _place(call: ToolCall) -> Position:
    return call.turn, call.step


def _size(request: Request) -> int:
    return tokens_of(request.messages)


def _without(events: Iterable[Event], tool_call_ids: set[str]) -> list[Event]:
    return [event for event in events if getattr(event, "tool_call_id", None) not in tool_call_ids]


def _stubbed(message: Json, tool_call_ids: set[str]) -> Json:
    content = message["content"]
    if isinstance(content, str) or not any(_is_stub_due(block, tool_call_ids) for block in content):
        return message
    blocks = [{**block, "content": STUB} if _is_stub_due(block, tool_call_ids) else block for block in content]
    return {**message, "content": blocks}


def _is_stub_due(block: Json, tool_call_ids: set[str]) -> bool:
    if block["type"] != "tool_result" or block["tool_use_id"] not in tool_call_ids:
        return False
    content = block.get("content", "")
    return tokens_of(content) > tokens_of("x" * WORTH_STUBBING)


def _cut(messages: Sequence[Json], events: Sequence[Event], first_turn: int) -> Sequence[Json]:
    """The messages from `first_turn` on.

    What is shown up to and with the words that begin that turn is projected once more, to find the place: the
    turn before may have left words of its own in the same message. If somebody else has changed the messages so
    that they do not begin like that, nothing is cut.
    """
    opening = [event for event in events if isinstance(event, UserMsg) and (event.turn, event.step) == (first_turn, 1)]
    begun = project((event for event in events if event.turn <= first_turn), ModelRef(turn=first_turn, step=1))
    if not opening or not _begins_with(messages, begun):
        return messages
    offset = len(begun[-1]["content"]) - sum(len(event.content) for event in opening)
    if len(begun) == 1 and offset == 0:
        return messages
    first = messages[len(begun) - 1]
    told = {"type": "text", "text": OMISSION}
    return [{**first, "content": [told, *first["content"][offset:]]}, *messages[len(begun) :]]


def _begins_with(messages: Sequence[Json], begun: Sequence[Json]) -> bool:
    if len(messages) < len(begun):
        return False
    pairs = list(zip(messages, begun, strict=False))
    same = all(shown["role"] == told["role"] and not isinstance(shown["content"], str) for shown, told in pairs)
    whole = all(len(shown["content"]) == len(told["content"]) for shown, told in pairs[:-1])
    return same and whole and len(pairs[-1][0]["content"]) >= len(pairs[-1][1]["content"])

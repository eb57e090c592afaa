"""The answer of a turn, as a caller of the library gets it, made from the events in the log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import BaseModel

from agents.errors import TurnError
from agents.turn.events import AssistantMsg, Event, Outcome, ToolCall, ToolResult, TurnEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a turn has said by now; `str()` gives the text.

    `outcome` is None while the turn waits for the outside. Then `pending` has what it waits for by `tool_call_id`: its
    kind, the prompt, the decisions that are allowed, when it expires and more. `output` is the object of an agent that
    has an `output` class. `usage` are the tokens of the turn by kind, and `cost` is its price in millionths of a US
    dollar, None when the model has no price.
    """

    turn: int
    text: str
    output: Any = None
    outcome: Outcome | None = None
    pending: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    usage: Mapping[str, int] = field(default_factory=dict)
    cost: int | None = None

    def __str__(self) -> str:
        return self.text


def make_answer(
    turn: int,
    events: Sequence[Event],
    pending: Mapping[str, Mapping[str, Any]],
    output: type[BaseModel] | None,
) -> Answer:
    """The answer from the events of its turn, oldest first. Raises `TurnError` for a turn that has failed."""
    ended = next((event for event in events if isinstance(event, TurnEnded)), None)
    if ended is not None and ended.outcome == "failed":
        raise TurnError(ended.reason or "failed", ended.detail or "The turn failed.", turn)
    messages = [event for event in events if isinstance(event, AssistantMsg)]
    found = messages[-1].output if messages else None
    kinds = dict.fromkeys(kind for message in messages for kind in message.usage)
    costs = [message.cost for message in messages if message.cost is not None]
    return Answer(
        turn=turn,
        text=answer_text(events[::-1]),
        output=output.model_validate(found) if output is not None and found is not None else found,
        outcome=ended.outcome if ended is not None else None,
        pending=pending,
        usage={kind: sum(message.usage.get(kind, 0) for message in messages) for kind in kinds},
        cost=sum(costs) if costs else None,
    )


def answer_text(newest_first: Sequence[Event]) -> str:
    """The text or output of a turn's last message; if it has none, the result of the call that ended the turn."""
    last = next((event for event in newest_first if isinstance(event, AssistantMsg)), None)
    if last is None:
        return ""
    if last.output is not None:
        return orjson.dumps(last.output).decode()
    text = "\n\n".join(str(block["text"]) for block in last.content if block["type"] == "text").strip()
    return text or _closing_result(newest_first)


def _closing_result(newest_first: Sequence[Event]) -> str:
    closing = {event.tool_call_id for event in newest_first if isinstance(event, ToolCall) and event.ends_turn}
    results = (event for event in newest_first if isinstance(event, ToolResult) and event.tool_call_id in closing)
    return next((result.content for result in results if isinstance(result.content, str)), "")

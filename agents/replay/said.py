"""What an agent has said in one round or turn, recorded or new: the answer, its calls, what it used, how it ended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.answer import answer_text
from agents.turn.events import AssistantMsg, Block, Event, Logged, ResultStatus, ToolCall, ToolResult, TurnEnded

Ending = Literal["answered", "failed", "cancelled", "waiting", "stopped"]
"""How it ended. `waiting`: for people or a client; `stopped`: the recording had no answer for a call."""

NOT_RECORDED = "not_recorded"
"""The reason of a turn that ended because the recording has no result for one of its calls."""


@dataclass(frozen=True, slots=True)
class CallMade:
    """A call that the model asked for, with the arguments it gave, and its result where it has run."""

    name: str
    arguments: Mapping[str, Any]
    result: str | Sequence[Block] | None = None
    status: ResultStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """`text` is what a person reads of it, JSON if there is an `output`. `cost` is in millionths of a US dollar.

    `ms` is from the last thing that the model waited for to the answer, None if that is not known; `model_calls` is how
    many answers of the model it took. `reason` and `detail` say why it has failed.
    """

    text: str = ""
    output: Any = None
    calls: Sequence[CallMade] = ()
    ending: Ending = "answered"
    reason: str | None = None
    detail: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    cost: int | None = None
    ms: int | None = None
    model_calls: int = 1

    @property
    def input_tokens(self) -> int:
        """What the model has read, cached or not."""
        return sum(count for kind, count in self.usage.items() if kind != "output_tokens")

    @property
    def output_tokens(self) -> int:
        return self.usage.get("output_tokens", 0)


def said_in_round(answer: AssistantMsg, calls: Sequence[ToolCall], ms: int) -> Said:
    """One recorded answer of the model and the calls that it asked for."""
    return Said(
        text=answer_text([answer]),
        output=answer.output,
        calls=[CallMade(call.name, call.arguments) for call in calls],
        ending="answered" if answer.status == "completed" else "cancelled",
        model=answer.model,
        stop_reason=answer.stop_reason,
        usage=answer.usage,
        cost=answer.cost,
        ms=ms,
    )


def said_in_turn(logged: Sequence[Logged], *, is_waiting: bool = False) -> Said:
    """A whole turn, whose events are `logged`, oldest first: its last words, and every call of the model in it."""
    events = [entry.event for entry in logged]
    answers = [event for event in events if isinstance(event, AssistantMsg)]
    last = answers[-1] if answers else None
    ended = next((event for event in reversed(events) if isinstance(event, TurnEnded)), None)
    costs = [answer.cost for answer in answers if answer.cost is not None]
    return Said(
        text=answer_text(events[::-1]),
        output=None if last is None else last.output,
        calls=list(_calls_made(events)),
        ending=_ending_of(ended, is_waiting=is_waiting),
        reason=None if ended is None else ended.reason,
        detail=None if ended is None else ended.detail,
        model=None if last is None else last.model,
        stop_reason=None if last is None else last.stop_reason,
        usage=_sum_of(answer.usage for answer in answers),
        cost=sum(costs) if costs else None,
        ms=logged[-1].at - logged[0].at if logged else None,
        model_calls=len(answers),
    )


def _ending_of(ended: TurnEnded | None, *, is_waiting: bool) -> Ending:
    if ended is None:
        return "waiting" if is_waiting else "cancelled"
    if ended.reason == NOT_RECORDED:
        return "stopped"
    return "answered" if ended.outcome == "completed" else ended.outcome


def _calls_made(events: Iterable[Event]) -> Iterable[CallMade]:
    results = {event.tool_call_id: event for event in events if isinstance(event, ToolResult)}
    for call in events:
        if isinstance(call, ToolCall) and call.source is None:
            found = results.get(call.tool_call_id)
            ended = (None, None) if found is None else (found.content, found.status)
            yield CallMade(call.name, call.arguments, *ended)


def _sum_of(usages: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    total: dict[str, int] = {}
    for usage in usages:
        for kind, count in usage.items():
            total[kind] = total.get(kind, 0) + count
    return total

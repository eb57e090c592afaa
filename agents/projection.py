"""What the model is shown: a projection of the log into Messages API messages, valid by construction.

Every event names the turn and the model call (`step`) it belongs to, so the order is not that of arrival: the
messages a step reads, its answer, the results of its calls. Roles alternate because neighbours of one role are
merged; every call is followed by its result because both are looked up by id.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.turn.events import AssistantMsg, Block, Event, ToolCall, ToolResult, UserMsg
from agents.turn.flow import CANCELLED
from agents.turn.inputs import ModelRef

Message = dict[str, Any]

RUN_ELSEWHERE = frozenset({"server_tool_use", "mcp_tool_use"})
THINKING = frozenset({"thinking", "redacted_thinking"})


@dataclass(slots=True)
class _Turn:
    heard: dict[int, list[UserMsg]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[int, AssistantMsg] = field(default_factory=dict)
    calls: dict[int, list[ToolCall]] = field(default_factory=lambda: defaultdict(list))

    @property
    def last_step(self) -> int:
        return max((*self.heard, *self.answers), default=0)


def project(events: Iterable[Event], ref: ModelRef) -> list[Message]:
    """The messages for the model call `ref`: all earlier turns, and of its own turn what precedes its step."""
    turns, results = _sort(events)
    talk = _Talk(results)
    for number in sorted(turns):
        if number > ref.turn:
            break
        turn = turns[number]
        last = turn.last_step if number < ref.turn else ref.step
        for step in range(1, last + 1):
            talk.hear(turn.heard.get(step, ()))
            if number < ref.turn or step < ref.step:
                talk.answer(turn.answers.get(step), turn.calls.get(step, ()))
    return talk.messages


def _sort(events: Iterable[Event]) -> tuple[dict[int, _Turn], dict[str, ToolResult]]:
    turns: dict[int, _Turn] = defaultdict(_Turn)
    results: dict[str, ToolResult] = {}
    for event in events:
        match event:
            case UserMsg():
                turns[event.turn].heard[event.step].append(event)
            case AssistantMsg():
                turns[event.turn].answers[event.step] = event
            case ToolCall(source=None):  # the questions of middleware are between it and people
                turns[event.turn].calls[event.step].append(event)
            case ToolResult():
                results[event.tool_call_id] = event
    return turns, results


class _Talk:
    """The messages as they grow; neighbours of one role are merged."""

    def __init__(self, results: Mapping[str, ToolResult]) -> None:
        self.messages: list[Message] = []
        self._results = results

    def hear(self, messages: Sequence[UserMsg]) -> None:
        for message in messages:
            self._add("user", [dict(block) for block in message.content])

    def answer(self, answer: AssistantMsg | None, calls: Sequence[ToolCall]) -> None:
        if answer is None:
            return
        by_id = {call.tool_call_id: call for call in calls}
        self._add("assistant", _spoken(answer, by_id))
        self._add("user", [self._result(call) for call in calls])

    def _result(self, call: ToolCall) -> dict[str, Any]:
        result = self._results.get(call.tool_call_id)
        content = CANCELLED if result is None else result.content
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call.tool_call_id, "content": content}
        return block if result is not None and result.status == "ok" else {**block, "is_error": True}

    def _add(self, role: str, blocks: list[dict[str, Any]]) -> None:
        if not blocks:
            return
        if role == "user":
            self._settle()
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"].extend(blocks)
        else:
            self.messages.append({"role": role, "content": blocks})

    def _settle(self) -> None:
        """Who speaks after an answer ends it: what the provider was about to run itself has no result any more."""
        if not self.messages or self.messages[-1]["role"] != "assistant":
            return
        content = self.messages[-1]["content"]
        answered = {block.get("tool_use_id") for block in content}
        content[:] = [block for block in content if block["type"] not in RUN_ELSEWHERE or block["id"] in answered]
        if all(block["type"] in THINKING for block in content):
            self.messages.pop()


def _spoken(answer: AssistantMsg, calls: Mapping[str, ToolCall]) -> list[dict[str, Any]]:
    """The blocks of an answer as the provider takes them back; of one that broke off only its text is whole."""
    if answer.status != "completed":
        return [dict(block) for block in answer.content if _is_said(block)]
    return [
        _tool_use(calls[block["tool_call_id"]]) if block["type"] == "tool_call" else dict(block)
        for block in answer.content
        if block["type"] != "text" or _is_said(block)
    ]


def _is_said(block: Block) -> bool:
    return block["type"] == "text" and bool(str(block["text"]).strip())


def _tool_use(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.tool_call_id, "name": call.name, "input": dict(call.arguments)}

"""What the model is shown: a projection of the log into Messages API messages, valid by construction.

Every event names its turn and its model call (`step`), and these give the order, not the time of arrival: the messages
that a step reads, its answer, the results of its calls. Roles alternate because neighbours of one role are merged;
every call is follto_deliver by its result because both are looked up by id.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agents.turn.events import AssistantMsg, Block, Delivered, Event, ToolCall, ToolResult, TurnEnded, UserMsg
from agents.turn.flow import CANCELLED
from agents.turn.inputs import ModelRef

Message = dict[str, Any]

RUN_BY_PROVIDER = frozenset({"server_tool_use", "mcp_tool_use"})
WORDLESS = "The call failed without a word about it."
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
INVALID_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_-]")
MAX_NAME = 128
NOTHING_SEEN = "[What you wrote in this turn was not delivered: people have not seen it.]"
PART_SEEN = "[Of what you wrote in this turn, people have seen what stands here. The rest was not delivered.]"
THINKING = frozenset({"thinking", "redacted_thinking"})


@dataclass(slots=True)
class _Turn:
    messages: dict[int, list[UserMsg]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[int, AssistantMsg] = field(default_factory=dict)
    calls: dict[int, list[ToolCall]] = field(default_factory=lambda: defaultdict(list))

    @property
    def last_step(self) -> int:
        return max((*self.messages, *self.answers), default=0)


def project(events: Iterable[Event], ref: ModelRef) -> list[Message]:
    """The messages for the model call `ref`: all earlier turns, and of its own turn what precedes its step."""
    turns, results = _sort(events)
    projected = _MessageList(results)
    for number in sorted(turns):
        if number > ref.turn:
            break
        turn = turns[number]
        last = turn.last_step if number < ref.turn else ref.step
        for step in range(1, last + 1):
            projected.add_messages(turn.messages.get(step, ()))
            if number < ref.turn or step < ref.step:
                projected.add_answer(turn.answers.get(step), turn.calls.get(step, ()))
    return projected.messages


def as_seen(events: Sequence[Event], before: int) -> Sequence[Event]:
    """The events, with what people have seen of the turns before the turn `before`, which are over.

    Of a turn that a channel has to deliver, words that are not delivered were not said. An answer of which a part was
    sent has that part, and a note at the end of the turn says that there was more. Calls stay, with their results.
    """
    to_deliver = {
        event.turn for event in events if isinstance(event, UserMsg) and event.channel and event.turn < before
    }
    if not to_deliver:
        return events
    delivered = _Delivered(events)
    kept: list[Event] = []
    steps: dict[int, int] = defaultdict(int)
    cut, told = set(), set()  # the turns that lack words, and those of which people have seen some
    for event in events:
        if event.turn in to_deliver:
            steps[event.turn] = max(steps[event.turn], getattr(event, "step", 0))
        if event.turn in to_deliver and isinstance(event, AssistantMsg):
            seen = delivered.part_of(event)
            cut |= {event.turn} if seen is not event else set()
            told |= {event.turn} if any(map(_has_words, seen.content)) else set()
            event = seen
        elif event.turn in cut and isinstance(event, TurnEnded):
            note = {"type": "text", "text": PART_SEEN if event.turn in told else NOTHING_SEEN}
            kept.append(UserMsg(turn=event.turn, step=steps[event.turn] + 1, origin="agent", content=[note]))
        kept.append(event)
    return kept


class _Delivered:
    """What channels have sent of the answers, by the ids of these."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._sent: dict[str, list[str]] = defaultdict(list)
        self._incomplete: set[str] = set()
        for event in events:
            if isinstance(event, Delivered):
                for bubble in event.bubbles:
                    self._sent[str(bubble.get("message_id"))].append(str(bubble.get("text") or ""))
                self._incomplete.update(str(bubble.get("message_id")) for bubble in event.unsent)

    def part_of(self, answer: AssistantMsg) -> AssistantMsg:
        """The answer with the words that were sent; itself if those are all that it has."""
        sent = self._sent.get(answer.message_id, [])
        if (sent and answer.message_id not in self._incomplete) or not any(map(_has_words, answer.content)):
            return answer
        first = next(place for place, block in enumerate(answer.content) if _has_words(block))
        words = [{"type": "text", "text": "\n\n".join(sent)}] if sent else []
        before, after = answer.content[:first], answer.content[first:]
        return replace(answer, content=[*before, *words, *(block for block in after if block["type"] != "text")])


def _sort(events: Iterable[Event]) -> tuple[dict[int, _Turn], dict[str, ToolResult]]:
    turns: dict[int, _Turn] = defaultdict(_Turn)
    results: dict[str, ToolResult] = {}
    for event in events:
        match event:
            case UserMsg():
                turns[event.turn].messages[event.step].append(event)
            case AssistantMsg():
                turns[event.turn].answers[event.step] = event
            case ToolCall(source=None):  # the model does not see the questions that middleware asks people
                turns[event.turn].calls[event.step].append(event)
            case ToolResult():
                results[event.tool_call_id] = event
    return turns, results


class _MessageList:
    """The messages projected so far; neighbours of one role are merged."""

    def __init__(self, results: Mapping[str, ToolResult]) -> None:
        self.messages: list[Message] = []
        self._results = results

    def add_messages(self, messages: Sequence[UserMsg]) -> None:
        for message in messages:
            self._add("user", [dict(block) for block in message.content])

    def add_answer(self, answer: AssistantMsg | None, calls: Sequence[ToolCall]) -> None:
        if answer is None:
            return
        by_id = {call.tool_call_id: call for call in calls}
        self._add("assistant", _answer_blocks(answer, by_id))
        self._add("user", [self._result(call) for call in calls])

    def _result(self, call: ToolCall) -> dict[str, Any]:
        result = self._results.get(call.tool_call_id)
        content = CANCELLED if result is None else result.content
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call.tool_call_id, "content": content}
        if result is not None and result.status == "ok":
            return block
        return {**block, "content": _error_text(content), "is_error": True}

    def _add(self, role: str, blocks: list[dict[str, Any]]) -> None:
        if not blocks:
            return
        if role == "user":
            self._close_answer()
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"].extend(blocks)
        else:
            self.messages.append({"role": role, "content": blocks})

    def _close_answer(self) -> None:
        """A user message ends the answer before it: calls of the provider's own tools without a result are left out."""
        if not self.messages or self.messages[-1]["role"] != "assistant":
            return
        content = self.messages[-1]["content"]
        answered = {block.get("tool_use_id") for block in content}
        content[:] = [block for block in content if block["type"] not in RUN_BY_PROVIDER or block["id"] in answered]
        if all(block["type"] in THINKING for block in content):
            self.messages.pop()


def _answer_blocks(answer: AssistantMsg, calls: Mapping[str, ToolCall]) -> list[dict[str, Any]]:
    """The blocks of an answer as the provider takes them back; an answer that broke off keeps only its text."""
    if answer.status != "completed":
        return [dict(block) for block in answer.content if _has_words(block)]
    return [
        _tool_use(calls[block["tool_call_id"]]) if block["type"] == "tool_call" else dict(block)
        for block in answer.content
        if block["type"] != "text" or _has_words(block)
    ]


def _has_words(block: Block) -> bool:
    return block["type"] == "text" and bool(str(block["text"]).strip())


def _error_text(content: str | Sequence[Block]) -> str | Sequence[Block]:
    """The content of an error as providers take it: texts only, and at least one with words."""
    if isinstance(content, str):
        return content if content.strip() else WORDLESS
    return [block for block in content if _has_words(block)] or WORDLESS


def _tool_use(call: ToolCall) -> dict[str, Any]:
    name = call.name if TOOL_NAME.fullmatch(call.name) else _valid_name(call.name)
    return {"type": "tool_use", "id": call.tool_call_id, "name": name, "input": dict(call.arguments)}


def _valid_name(made_up: str) -> str:
    """A name that providers take, for a call whose name the model made up."""
    return INVALID_IN_A_NAME.sub("_", made_up)[:MAX_NAME] or "unnamed"

"""PatchToolCalls: makes the messages valid for the provider, whatever others have done to them; put it last.

A provider wants user and assistant to alternate, from a user on, and every tool call to be answered at the beginning
of the very next message, once. `patch` drops, moves and makes up as little as that takes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.request import Request
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Json

UNANSWERED = "There is no result: the call was interrupted."
EARLIER = "(The conversation began earlier.)"

OF_THE_USER = frozenset({"tool_result", "image", "document"})
OF_THE_ASSISTANT = frozenset({"tool_use", "thinking", "redacted_thinking"})
OF_THE_PROVIDER = frozenset({"server_tool_use", "mcp_tool_use"})
"""Calls of the provider's own tools; it answers them itself, in the same message."""

Place = tuple[int, str]
"""A call: the position of its message, and its id."""


class PatchToolCalls(Middleware):
    """Changes what is sent, never the log."""

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        return replace(request, messages=patch(request.messages))


def patch(messages: Sequence[Json]) -> list[Json]:
    """Valid messages; those that are valid come back as they are, an empty list stays empty."""
    cleaned = [_cleaned(message) for message in messages]
    last = max((position for position, message in enumerate(cleaned) if message["content"]), default=0)
    cleaned = [_settled(message, last=position == last) for position, message in enumerate(cleaned)]
    talk = _Talk(_answers(cleaned))
    for position, message in enumerate(cleaned):
        if message["role"] == "assistant":
            talk.answer(position, message)
        else:
            talk.hear(position, message)
    talk.settle()
    return talk.messages


def _cleaned(message: Json) -> Json:
    """The message without what no provider takes: empty texts, blocks of the other role, twins of a call."""
    content = message["content"]
    if isinstance(content, str):
        return message if content else {**message, "content": []}
    fitting = (block for block in content if _fits(block, message["role"]) and block.get("text") != "")
    return {**message, "content": list(_without_twins(fitting))}


def _fits(block: Json, role: str) -> bool:
    kind = block["type"]
    if role == "assistant":
        return kind not in OF_THE_USER
    return kind not in OF_THE_ASSISTANT and kind not in OF_THE_PROVIDER and not _is_providers_result(block)


def _without_twins(blocks: Iterable[Json]) -> Iterator[Json]:
    called: set[str] = set()
    for block in blocks:
        if block["type"] != "tool_use":
            yield block
        elif block["id"] not in called:
            called.add(block["id"])
            yield block


def _settled(message: Json, *, last: bool) -> Json:
    """The message with those calls of the provider's own tools that have their result behind them, in the message.

    At the very end one may be under way, unless calls of ours are, whose results will follow.
    """
    blocks = message["content"]
    if isinstance(blocks, str):
        return message
    waiting: list[int] = []
    dropped: set[int] = set()
    for position, block in enumerate(blocks):
        if block["type"] in OF_THE_PROVIDER:
            waiting.append(position)
        elif _is_providers_result(block):
            call = next((at for at in waiting if blocks[at]["id"] == block["tool_use_id"]), None)
            if call is None:
                dropped.add(position)
            else:
                waiting.remove(call)
    if not last or any(block["type"] == "tool_use" for block in blocks):
        dropped.update(waiting)
    return {**message, "content": [block for position, block in enumerate(blocks) if position not in dropped]}


def _is_providers_result(block: Json) -> bool:
    return bool(block["type"].endswith("_tool_result"))


def _answers(messages: Sequence[Json]) -> Mapping[Place, tuple[int, Json]]:
    """For each call its result, wherever that stands behind it: the first one that no later call claims."""
    latest: dict[str, Place] = {}
    answers: dict[Place, tuple[int, Json]] = {}
    for position, message in enumerate(messages):
        for block in _blocks(message):
            if block["type"] == "tool_use":
                latest[block["id"]] = (position, block["id"])
            elif block["type"] == "tool_result" and (call := latest.get(block["tool_use_id"])) is not None:
                answers.setdefault(call, (position, block))
    return answers


class _Talk:
    """The messages as they grow; neighbours of one role are merged."""

    def __init__(self, answers: Mapping[Place, tuple[int, Json]]) -> None:
        self.messages: list[Json] = []
        self._answers = answers
        self._open: list[Place] = []

    def answer(self, position: int, message: Json) -> None:
        self.settle()
        if not message["content"]:
            return
        if not self.messages:
            self._add({"role": "user", "content": [{"type": "text", "text": EARLIER}]})
        self._add(message)
        self._open = [(position, block["id"]) for block in _blocks(message) if block["type"] == "tool_use"]

    def hear(self, position: int, message: Json) -> None:
        """The results of the calls just before come first: in the order given, then those that are missing here."""
        if not any(block["type"] == "tool_result" for block in _blocks(message)) and not self._open:
            self._add(message)
            return
        here = {call: answer for call in self._open if (answer := self._answers.get(call)) and answer[0] == position}
        given = [block for block in _blocks(message) if any(block is answer for _, answer in here.values())]
        missing = [self._result(call) for call in self._open if call not in here]
        others = [block for block in _blocks(message) if block["type"] != "tool_result"]
        self._open = []
        self._add({**message, "content": [*given, *missing, *others]})

    def settle(self) -> None:
        """Nobody has spoken since the last calls: their results are a message of their own."""
        if self._open:
            self._add({"role": "user", "content": [self._result(call) for call in self._open]})
            self._open = []

    def _result(self, call: Place) -> Json:
        if call in self._answers:
            return self._answers[call][1]
        return {"type": "tool_result", "tool_use_id": call[1], "content": UNANSWERED, "is_error": True}

    def _add(self, message: Json) -> None:
        if not message["content"]:
            return
        if self.messages and self.messages[-1]["role"] == message["role"]:
            self.messages[-1] = {**message, "content": [*_blocks(self.messages[-1]), *_blocks(message)]}
        else:
            self.messages.append(message)


def _blocks(message: Json) -> list[Json]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)

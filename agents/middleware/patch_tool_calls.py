"""PatchToolCalls: makes the messages valid for the provider after other middleware has changed them; put it last.

A provider requires that user and assistant alternate, beginning with a user, and that every tool call has exactly one
result, at the beginning of the next message. `patch` drops, moves and adds as little as possible to achieve that.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Json

UNANSWERED = "There is no result: the call was interrupted."
EARLIER = "(The conversation began earlier.)"

USER_BLOCKS = frozenset({"tool_result", "image", "document"})
ASSISTANT_BLOCKS = frozenset({"tool_use", "thinking", "redacted_thinking"})
PROVIDER_CALLS = frozenset({"server_tool_use", "mcp_tool_use"})
"""Calls of the provider's own tools; their results are in the same message."""

CallPosition = tuple[int, str]
"""A call: the position of its message, and its id."""


class PatchToolCalls(Middleware):
    """Changes what is sent, never the log."""

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        return replace(request, messages=patch(request.messages))


def patch(messages: Sequence[Json]) -> list[Json]:
    """Valid messages. Messages that are valid already are returned as they are, also an empty list."""
    valid = [_without_invalid_blocks(message) for message in messages]
    last = max((position for position, message in enumerate(valid) if message["content"]), default=0)
    valid = [_without_open_provider_calls(message, last=position == last) for position, message in enumerate(valid)]
    builder = _MessageBuilder(_results_by_call(valid))
    for position, message in enumerate(valid):
        if message["role"] == "assistant":
            builder.add_assistant_message(position, message)
        else:
            builder.add_user_message(position, message)
    builder.close_open_calls()
    return builder.messages


def _without_invalid_blocks(message: Json) -> Json:
    """The message without what providers reject: empty texts, blocks of the other role, duplicates of a call."""
    content = message["content"]
    if isinstance(content, str):
        return message if content else {**message, "content": []}
    allowed = (block for block in content if _may_stand_in(block, message["role"]) and block.get("text") != "")
    return {**message, "content": list(_without_duplicate_calls(allowed))}


def _may_stand_in(block: Json, role: str) -> bool:
    kind = block["type"]
    if role == "assistant":
        return kind not in USER_BLOCKS
    return kind not in ASSISTANT_BLOCKS and kind not in PROVIDER_CALLS and not _is_provider_result(block)


def _without_duplicate_calls(blocks: Iterable[Json]) -> Iterator[Json]:
    called: set[str] = set()
    for block in blocks:
        if block["type"] != "tool_use":
            yield block
        elif block["id"] not in called:
            called.add(block["id"])
            yield block


def _without_open_provider_calls(message: Json, *, last: bool) -> Json:
    """The message with only those calls of the provider's own tools whose results follow in the message.

    In the last message such a call may still be running, unless the message also calls our tools.
    """
    blocks = message["content"]
    if isinstance(blocks, str):
        return message
    waiting: list[int] = []
    dropped: set[int] = set()
    for position, block in enumerate(blocks):
        if block["type"] in PROVIDER_CALLS:
            waiting.append(position)
        elif _is_provider_result(block):
            call = next((at for at in waiting if blocks[at]["id"] == block["tool_use_id"]), None)
            if call is None:
                dropped.add(position)
            else:
                waiting.remove(call)
    if not last or any(block["type"] == "tool_use" for block in blocks):
        dropped.update(waiting)
    return {**message, "content": [block for position, block in enumerate(blocks) if position not in dropped]}


def _is_provider_result(block: Json) -> bool:
    return bool(block["type"].endswith("_tool_result"))


def _results_by_call(messages: Sequence[Json]) -> Mapping[CallPosition, tuple[int, Json]]:
    """The result of each call and its position: the first result after the call and before another call of that id."""
    latest: dict[str, CallPosition] = {}
    results: dict[CallPosition, tuple[int, Json]] = {}
    for position, message in enumerate(messages):
        for block in _blocks(message):
            if block["type"] == "tool_use":
                latest[block["id"]] = (position, block["id"])
            elif block["type"] == "tool_result" and (call := latest.get(block["tool_use_id"])) is not None:
                results.setdefault(call, (position, block))
    return results


class _MessageBuilder:
    """The messages as they grow; neighbours of one role are merged."""

    def __init__(self, results: Mapping[CallPosition, tuple[int, Json]]) -> None:
        self.messages: list[Json] = []
        self._results = results
        self._open: list[CallPosition] = []

    def add_assistant_message(self, position: int, message: Json) -> None:
        """Add the message and note its calls as open."""
        self.close_open_calls()
        if not message["content"]:
            return
        if not self.messages:
            self._add({"role": "user", "content": [{"type": "text", "text": EARLIER}]})
        self._add(message)
        self._open = [(position, block["id"]) for block in _blocks(message) if block["type"] == "tool_use"]

    def add_user_message(self, position: int, message: Json) -> None:
        """Add the message, beginning with the results of the open calls: those it has, then the missing ones."""
        if not any(block["type"] == "tool_result" for block in _blocks(message)) and not self._open:
            self._add(message)
            return
        results = {call: self._results[call] for call in self._open if call in self._results}
        here = {call: result for call, (at, result) in results.items() if at == position}
        present = [block for block in _blocks(message) if any(block is result for result in here.values())]
        missing = [self._result(call) for call in self._open if call not in here]
        others = [block for block in _blocks(message) if block["type"] != "tool_result"]
        self._open = []
        self._add({**message, "content": [*present, *missing, *others]})

    def close_open_calls(self) -> None:
        """Add the results of the open calls as a message, if no user message has brought them."""
        if self._open:
            self._add({"role": "user", "content": [self._result(call) for call in self._open]})
            self._open = []

    def _result(self, call: CallPosition) -> Json:
        if call in self._results:
            return self._results[call][1]
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

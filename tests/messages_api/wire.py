"""The Messages API's wire format: a reply as server-sent events, or as one JSON message."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from tests.messages_api.reply import Json, Reply, ToolUse

FRAGMENT = 12  # characters of a tool's arguments in one delta


@dataclass(frozen=True, slots=True)
class Frame:
    """One event on the wire; `is_delta` marks those that a reply's delays and troubles count."""

    data: bytes
    is_delta: bool = False


def frame(event: Json) -> Frame:
    data = b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event))
    return Frame(data, is_delta=event["type"] == "content_block_delta")


def frames(reply: Reply, number: int, model: str) -> Iterator[Frame]:
    """Every event of the answer, in order."""
    message = {**_message(reply, number, model), "content": [], "stop_reason": None}
    yield frame({"type": "message_start", "message": message})
    yield frame({"type": "ping"})
    for index, (start, deltas) in enumerate(_streamed_blocks(reply, number)):
        yield frame({"type": "content_block_start", "index": index, "content_block": start})
        for delta in deltas:
            yield frame({"type": "content_block_delta", "index": index, "delta": delta})
        yield frame({"type": "content_block_stop", "index": index})
    ending = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
    yield frame({"type": "message_delta", "delta": ending, "usage": {"output_tokens": _output_tokens(reply)}})
    yield frame({"type": "message_stop"})


def whole_message(reply: Reply, number: int, model: str) -> Json:
    """The answer to a request that does not ask for a stream."""
    content: list[Json] = []
    if reply.thinking:
        content.append({"type": "thinking", "thinking": reply.thinking, "signature": "c2lnbmVk"})
    if reply.text:
        content.append({"type": "text", "text": "".join(reply.tokens())})
    content.extend(reply.blocks)
    content.extend(
        {
            "type": "tool_use",
            "id": _call_id(call, number, position),
            "name": call.name,
            "input": call.arguments,
        }
        for position, call in enumerate(reply.calls)
    )
    return {**_message(reply, number, model), "content": content, "stop_reason": _stop_reason(reply)}


def error_event(error_type: str, message: str = "scripted error") -> Json:
    return {"type": "error", "error": {"type": error_type, "message": message}}


def _message(reply: Reply, number: int, model: str) -> Json:
    usage = {
        "input_tokens": reply.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 1,
    }
    identity = {"id": f"msg_{number:06}", "type": "message", "role": "assistant", "model": model}
    return {**identity, "stop_sequence": None, "usage": usage}


def _streamed_blocks(reply: Reply, number: int) -> Iterator[tuple[Json, Sequence[Json]]]:
    if reply.thinking:
        thoughts = [{"type": "thinking_delta", "thinking": reply.thinking}]
        signature = {"type": "signature_delta", "signature": "c2lnbmVk"}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, signature]
    if reply.text:
        yield (
            {"type": "text", "text": ""},
            [{"type": "text_delta", "text": token} for token in reply.tokens()],
        )
    for block in reply.blocks:
        yield block, ()
    for position, call in enumerate(reply.calls):
        start = {"type": "tool_use", "id": _call_id(call, number, position), "name": call.name, "input": {}}
        yield start, _argument_deltas(call)


def _argument_deltas(call: ToolUse) -> list[Json]:
    text = call.raw if call.raw is not None else orjson.dumps(dict(call.arguments)).decode()
    pieces = [text[at : at + FRAGMENT] for at in range(0, len(text), FRAGMENT)]
    return [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces)]


def _call_id(call: ToolUse, number: int, position: int) -> str:
    return call.id or f"toolu_{number:06}_{position}"


def _stop_reason(reply: Reply) -> str:
    return reply.stop_reason or ("tool_use" if reply.calls else "end_turn")


def _output_tokens(reply: Reply) -> int:
    return reply.output_tokens if reply.output_tokens is not None else len(reply.tokens())

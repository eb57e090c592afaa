"""The Messages API's wire format: a reply as content, as server-sent events, or as one JSON message."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from tests.messages_api.reply import WORD, Json, Reply, ToolUse

FRAGMENT_LENGTH = 12  # characters of a tool's arguments in one delta


@dataclass(frozen=True, slots=True)
class Frame:
    """One event on the wire; a reply's delays and troubles count the events with `is_delta`."""

    data: bytes
    is_delta: bool = False


def frame(event: Json) -> Frame:
    data = b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event))
    return Frame(data, is_delta=event["type"] == "content_block_delta")


def content_of(reply: Reply, number: int) -> list[Json]:
    """The blocks of the answer, whole."""
    content: list[Json] = []
    if reply.thinking is not None:
        content.append({"type": "thinking", "thinking": reply.thinking})
    if reply.redacted is not None:
        content.append({"type": "redacted_thinking", "data": reply.redacted})
    if reply.text:
        content.append({"type": "text", "text": "".join(reply.tokens())})
    content.extend(reply.blocks)
    content.extend(_call(call, number, position) for position, call in enumerate(reply.calls))
    return [_signed(block, f"{number}.{position}") for position, block in enumerate(content)]


def frames(reply: Reply, number: int, model: str, usage: Mapping[str, int]) -> Iterator[Frame]:
    """Every event of the answer, in order."""
    message = {**_message(number, model, usage), "content": [], "stop_reason": None}
    yield frame({"type": "message_start", "message": message})
    yield frame({"type": "ping"})
    for index, block in enumerate(content_of(reply, number)):
        start, deltas = _streamed(block, reply)
        yield frame({"type": "content_block_start", "index": index, "content_block": start})
        for delta in deltas:
            yield frame({"type": "content_block_delta", "index": index, "delta": delta})
        yield frame({"type": "content_block_stop", "index": index})
    ending = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
    yield frame({"type": "message_delta", "delta": ending, "usage": {"output_tokens": _output_tokens(reply)}})
    yield frame({"type": "message_stop"})


def whole_message(reply: Reply, number: int, model: str, usage: Mapping[str, int]) -> Json:
    """The answer to a request that does not ask for a stream."""
    message = {**_message(number, model, usage), "content": content_of(reply, number)}
    return {**message, "stop_reason": _stop_reason(reply)}


def usage_of(reply: Reply) -> dict[str, int]:
    """The counts of the input that the reply names."""
    return {
        "input_tokens": reply.input_tokens,
        "cache_creation_input_tokens": reply.cache_write_tokens,
        "cache_read_input_tokens": reply.cache_read_tokens,
    }


def error_event(error_type: str, message: str = "scripted error") -> Json:
    return {"type": "error", "error": {"type": error_type, "message": message}}


def _message(number: int, model: str, usage: Mapping[str, int]) -> Json:
    identity = {"id": f"msg_{number:06}", "type": "message", "role": "assistant", "model": model}
    return {**identity, "stop_sequence": None, "usage": {**usage, "output_tokens": 1}}


def _streamed(block: Json, reply: Reply) -> tuple[Json, Sequence[Json]]:
    """How a block begins, and what it grows by; the provider's results come whole."""
    match block["type"]:
        case "thinking":
            thoughts = [{"type": "thinking_delta", "thinking": block["thinking"]}] if block["thinking"] else []
            signature = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*thoughts, signature]
        case "text":
            citations = [{"type": "citations_delta", "citation": entry} for entry in block.get("citations") or ()]
            tokens = reply.tokens() if block["text"] == "".join(reply.tokens()) else WORD.findall(block["text"])
            start = {**block, "text": "", "citations": []} if citations else {**block, "text": ""}
            return start, [*({"type": "text_delta", "text": token} for token in tokens), *citations]
        case "tool_use" | "server_tool_use":
            raws = [call.raw for call in reply.calls if call.raw is not None and call.name == block["name"]]
            text = raws[0] if raws else orjson.dumps(block["input"]).decode()
            return {**block, "input": {}}, _argument_deltas(text)
    return block, ()


def _argument_deltas(text: str) -> list[Json]:
    pieces = [text[at : at + FRAGMENT_LENGTH] for at in range(0, len(text), FRAGMENT_LENGTH)]
    return [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces)]


def _call(call: ToolUse, number: int, position: int) -> Json:
    identifier = call.id or f"toolu_{number:06}_{position}"
    return {"type": "tool_use", "id": identifier, "name": call.name, "input": dict(call.arguments)}


def _signed(block: Json, place: str) -> Json:
    if block["type"] != "thinking" or block.get("signature"):
        return block
    return {**block, "signature": base64.b64encode(f"signed {place}".encode()).decode()}


def _stop_reason(reply: Reply) -> str:
    return reply.stop_reason or ("tool_use" if reply.calls else "end_turn")


def _output_tokens(reply: Reply) -> int:
    return reply.output_tokens if reply.output_tokens is not None else len(reply.tokens())

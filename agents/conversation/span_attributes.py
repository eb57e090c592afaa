"""What spans say of agents, calls of models and tools, in the names of OpenTelemetry's conventions for generative AI.

What people and models have said is content, which is left out unless the tracer asks for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from agents.models import Model, ModelRequest
from agents.models.provider import provider_of
from agents.tracing import Attributes
from agents.turn.commands import RunTool
from agents.turn.events import Block
from agents.turn.inputs import ModelFinished

JSON_OPTIONS = orjson.OPT_NON_STR_KEYS


def agent_attributes(agent: str, conversation_id: str, turn: int) -> dict[str, Any]:
    """Of the work of a turn."""
    return {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": agent,
        "gen_ai.conversation.id": conversation_id,
        "raylogue.turn": turn,
    }


def usage_attributes(usage: Mapping[str, int], cost: int | None) -> dict[str, Any]:
    """Tokens by their kind, those of the cache counted as input as well; the cost in US dollars."""
    cached = {name: usage.get(f"cache_{name}_input_tokens", 0) for name in ("read", "creation")}
    read = usage.get("input_tokens", 0) + sum(cached.values())
    written = usage.get("output_tokens", 0)
    if not read and not written:
        return {}
    return {
        "gen_ai.usage.input_tokens": read,
        "gen_ai.usage.output_tokens": written,
        "gen_ai.usage.cache_read.input_tokens": cached["read"] or None,
        "gen_ai.usage.cache_creation.input_tokens": cached["creation"] or None,
        "raylogue.cost": None if cost is None else cost / 1_000_000,
    }


def chat_attributes(model: Model, conversation_id: str, turn: int, step: int) -> dict[str, Any]:
    """Of a call of a model, before it is made."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": getattr(model, "api", None) or provider_of(model) or "unknown",
        "gen_ai.request.model": model.name,
        "gen_ai.conversation.id": conversation_id,
        "raylogue.turn": turn,
        "raylogue.step": step,
    }


def request_attributes(request: ModelRequest, *, content: bool) -> Attributes:
    """Of a call of a model, when it is known what it is asked."""
    found: dict[str, Any] = {"gen_ai.request.max_tokens": request.max_tokens, "gen_ai.request.stream": True}
    if request.model is not None:
        found["gen_ai.request.model"] = request.model
    if content:
        found["gen_ai.system_instructions"] = _json([{"type": "text", "content": request.system}])
        found["gen_ai.input.messages"] = _json([_message(one["role"], one["content"]) for one in request.messages])
        found["gen_ai.tool.definitions"] = _json([{"type": "function", **tool} for tool in request.tools])
    return found


def answer_attributes(finished: ModelFinished, *, content: bool) -> Attributes:
    """Of a call of a model that was answered."""
    found: dict[str, Any] = {
        "gen_ai.response.model": finished.model or None,
        "gen_ai.response.finish_reasons": [finished.stop_reason] if finished.stop_reason else None,
        **usage_attributes(finished.usage, finished.cost),
    }
    if content:
        said = _message("assistant", finished.content)
        calls = [
            {"type": "tool_call", "id": call.tool_call_id, "name": call.name, "arguments": call.arguments}
            for call in finished.calls
        ]
        parts = [part for part in said["parts"] if part["type"] != "tool_call"]
        answer = {"role": "assistant", "parts": [*parts, *calls], "finish_reason": finished.stop_reason}
        found["gen_ai.output.messages"] = _json([answer])
    return found


def tool_attributes(command: RunTool, conversation_id: str, *, content: bool) -> dict[str, Any]:
    """Of a call of a tool, before it is made."""
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": command.call.name,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": command.call.tool_call_id,
        "gen_ai.conversation.id": conversation_id,
        "raylogue.turn": command.call.turn,
        "gen_ai.tool.call.arguments": _json(command.arguments) if content else None,
    }


def result_attributes(result: str | Sequence[Block], status: str, *, content: bool) -> Attributes:
    """Of a call of a tool that has ended."""
    shown = (result if isinstance(result, str) else _json(result)) if content else None
    return {"raylogue.status": status, "gen_ai.tool.call.result": shown}


def _message(role: str, content: str | Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    blocks: Iterable[Mapping[str, Any]] = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {"role": role, "parts": [_part(block) for block in blocks]}


def _part(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block of the Messages API as the conventions write it; the bytes of pictures and documents are left out."""
    match block:
        case {"type": "text", "text": text}:
            return {"type": "text", "content": text}
        case {"type": "thinking", "thinking": text}:
            return {"type": "reasoning", "content": text}
        case {"type": "tool_use", "id": call_id, "name": name, "input": arguments}:
            return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}
        case {"type": "tool_result", "tool_use_id": call_id}:
            return {"type": "tool_call_response", "id": call_id, "response": _result(block.get("content", ""))}
        case _:
            return {"type": str(block.get("type"))}


def _result(content: str | Sequence[Mapping[str, Any]]) -> object:
    return content if isinstance(content, str) else [_part(part) for part in content]


def _json(value: object) -> str:
    return orjson.dumps(value, default=str, option=JSON_OPTIONS).decode()

"""DebugLog: tells what goes through the place where it stands in the list, in sizes and durations."""

import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import orjson
import structlog

from agents.middleware.pipeline.middleware import Middleware, StreamCall, ToolRun
from agents.middleware.pipeline.reply import Reply
from agents.middleware.pipeline.request import Request
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Completed, ModelEvent, ModelRequest, TextChunk, ThinkingChunk
from agents.tools import ToolOutcome
from agents.turn.commands import RunTool
from agents.turn.inputs import UserMessage

log = structlog.get_logger(__name__)


class DebugLog(Middleware):
    """One log line per callback. Nothing that people or models said is in it, unless `contents` is asked for.

    Sizes are in bytes of JSON, durations in milliseconds.
    """

    def __init__(self, *, contents: bool = False) -> None:
        self._contents = contents

    async def on_start(self, context: TurnContext) -> None:
        self._tell("debug_started", context, events=len(context.events), last_seq=context.facts.last_seq)

    async def handle_message(self, message: UserMessage, context: TurnContext) -> UserMessage:
        content = list(message.content)
        self._tell(
            "debug_message",
            context,
            {"content": content},
            blocks=len(content),
            size=_size(content),
            origin=message.origin,
            on_busy=message.on_busy,
        )
        return message

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        parts: dict[str, list[Any]] = {
            "system": list(request.system),
            "messages": list(request.messages),
            "tools": [tool.definition() for tool in request.tools],
            "injected": list(request.injected),
        }
        sizes = {f"{name}_size": _size(part) for name, part in parts.items()}
        counts = {name: len(part) for name, part in parts.items()}
        told = {f"{name}_content": part for name, part in parts.items()}
        self._tell("debug_request", context, told, **counts, **sizes, model=request.model)
        return request

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        content = list(reply.content)
        told = {"content": content, "arguments": [dict(call.arguments) for call in reply.calls]}
        self._tell(
            "debug_reply",
            context,
            told,
            blocks=len(content),
            size=_size(content),
            calls=[call.name for call in reply.calls],
            stop_reason=reply.stop_reason,
            usage=dict(reply.usage),
            cost=reply.cost,
            feedback=len(reply.feedback),
        )
        return reply

    async def stream(
        self, request: ModelRequest, call: StreamCall, context: TurnContext
    ) -> AsyncGenerator[ModelEvent, None]:
        began, first = time.monotonic(), None
        counts: Counter[str] = Counter()
        outcome = "closed"
        try:
            async with aclosing(call(request)) as events:
                async for event in events:
                    first = _since(began) if first is None else first
                    counts.update(_counted(event))
                    outcome = "completed" if isinstance(event, Completed) else outcome
                    yield event
        except Exception as error:
            outcome = type(error).__name__
            raise
        finally:
            self._tell(
                "debug_stream",
                context,
                outcome=outcome,
                first=first,
                duration=_since(began),
                deltas=counts["deltas"],
                text=counts["text"],
                thinking=counts["thinking"],
            )

    async def run_tool(self, command: RunTool, run: ToolRun, context: TurnContext) -> ToolOutcome:
        began = time.monotonic()
        arguments = dict(command.arguments)
        status: str = "raised"
        content: Any = None
        try:
            outcome = await run(command)
            status, content = outcome.status, outcome.content
            return outcome
        finally:
            self._tell(
                "debug_tool",
                context,
                {"arguments": arguments, "result": content},
                tool=command.call.name,
                tool_call_id=command.call.tool_call_id,
                arguments_size=_size(arguments),
                outcome=status,
                result_size=_size(content),
                duration=_since(began),
            )

    def _tell(
        self, event: str, context: TurnContext, told: Mapping[str, Any] | None = None, **measures: object
    ) -> None:
        log.info(
            event,
            conversation_id=context.conversation_id,
            agent=context.agent.name,
            turn=context.turn,
            step=context.step,
            **measures,
            **(told or {} if self._contents else {}),
        )


def _counted(event: ModelEvent) -> dict[str, int]:
    match event:
        case TextChunk(text):
            return {"deltas": 1, "text": len(text)}
        case ThinkingChunk(text):
            return {"deltas": 1, "thinking": len(text)}
    return {}


def _size(value: object) -> int:
    return len(orjson.dumps(value, default=str))


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)

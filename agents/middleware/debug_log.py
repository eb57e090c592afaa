"""DebugLog: logs what passes its position in the agent's list of middleware, in sizes and durations."""

import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import orjson
import structlog

from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.middleware import Middleware, StreamCall, ToolRun
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Completed, ModelEvent, ModelRequest, TextChunk, ThinkingChunk
from agents.tools import ToolOutcome
from agents.turn.commands import RunTool
from agents.turn.inputs import UserMessage

log = structlog.get_logger(__name__)


class DebugLog(Middleware):
    """One log line per callback. What people and models say is logged only with `contents=True`.

    Sizes are in bytes of JSON, durations in milliseconds. The work of sub-agents is logged as well, under their names.
    """

    inherited = True

    def __init__(self, *, contents: bool = False) -> None:
        self._contents = contents

    async def on_start(self, context: TurnContext) -> None:
        self._log("debug_started", context, events=len(context.events), last_seq=context.facts.last_seq)

    async def handle_message(self, message: UserMessage, context: TurnContext) -> UserMessage:
        content = list(message.content)
        self._log(
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
        contents = {f"{name}_content": part for name, part in parts.items()}
        self._log("debug_request", context, contents, **counts, **sizes, model=request.model)
        return request

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        content = list(reply.content)
        contents = {"content": content, "arguments": [dict(call.arguments) for call in reply.calls]}
        self._log(
            "debug_reply",
            context,
            contents,
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
                    first = _ms_since(began) if first is None else first
                    counts.update(_increments(event))
                    outcome = "completed" if isinstance(event, Completed) else outcome
                    yield event
        except Exception as error:
            outcome = type(error).__name__
            raise
        finally:
            self._log(
                "debug_stream",
                context,
                outcome=outcome,
                first=first,
                duration=_ms_since(began),
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
            self._log(
                "debug_tool",
                context,
                {"arguments": arguments, "result": content},
                tool=command.call.name,
                tool_call_id=command.call.tool_call_id,
                arguments_size=_size(arguments),
                outcome=status,
                result_size=_size(content),
                duration=_ms_since(began),
            )

    def _log(
        self, event: str, context: TurnContext, contents: Mapping[str, Any] | None = None, **measures: object
    ) -> None:
        log.info(
            event,
            conversation_id=context.conversation_id,
            agent=context.agent.name,
            turn=context.turn,
            step=context.step,
            **measures,
            **(contents or {} if self._contents else {}),
        )


def _increments(event: ModelEvent) -> dict[str, int]:
    match event:
        case TextChunk(text):
            return {"deltas": 1, "text": len(text)}
        case ThinkingChunk(text):
            return {"deltas": 1, "thinking": len(text)}
    return {}


def _size(value: object) -> int:
    return len(orjson.dumps(value, default=str))


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)

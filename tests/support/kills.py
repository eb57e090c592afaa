"""An agent whose process dies at a point that a test has named, exactly there and only once.

A test leaves an order, a file that names a conversation and a point. The process that reaches the point takes the
order away and kills itself with SIGKILL: nothing is cleaned up, nothing is flushed.
"""

import os
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import orjson

from agents.agent import Agent
from agents.conversation import Conversation
from agents.errors import ModelError
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware, StreamCall, ToolRun
from agents.middleware.pipeline.turn_context import TurnContext
from agents.middleware.retry import Retry
from agents.models import Call, ModelEvent, ModelRequest, ScriptedModel, Step, TextChunk, ThinkingChunk
from agents.models.protocol import ToolUseStarted
from agents.models.scripted.message_history import tool_returns, user_texts
from agents.tools import Tool, ToolContext, ToolOutcome, tool
from agents.turn.commands import RunTool
from agents.turn.states import ExitReason
from store.log.log import Log

THOUGHT = "They want it kept."
ANNOUNCED = "I shall keep it for you now."
"""What the agent says before its call."""


class Orders:
    """The orders that are still to be carried out, in a directory that outlives the processes."""

    def __init__(self, data_dir: Path) -> None:
        self._directory = data_dir / "orders"
        self._directory.mkdir(parents=True, exist_ok=True)

    def give(self, conversation_id: str, point: str) -> None:
        self._file(conversation_id).write_text(point)

    def ordered(self, conversation_id: str) -> str | None:
        """The point at which the conversation's process is still to die."""
        try:
            return self._file(conversation_id).read_text()
        except FileNotFoundError:
            return None

    def reach(self, conversation_id: str, point: str) -> None:
        """Die if it was ordered to happen here."""
        if self.ordered(conversation_id) == point:
            self._file(conversation_id).unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def _file(self, conversation_id: str) -> Path:
        return self._directory / conversation_id


class KillPoints(Middleware):
    """Reaches the points inside a turn."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._failed: set[str] = set()

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        point = "before the first model call" if context.step == 1 else "after a tool's result"
        self._orders.reach(context.conversation_id, point)
        return request

    async def stream(
        self, request: ModelRequest, call: StreamCall, context: TurnContext
    ) -> AsyncGenerator[ModelEvent, None]:
        self._fail_once(context.conversation_id)
        words = 0
        async for event in call(request):
            if not words:
                self._orders.reach(context.conversation_id, "before the first token")
            words += 1
            yield event
            match event:
                case ThinkingChunk() if words > 1:
                    self._orders.reach(context.conversation_id, "in thinking")
                case TextChunk() if words > 1:
                    self._orders.reach(context.conversation_id, "in text")
                case ToolUseStarted():
                    self._orders.reach(context.conversation_id, "in a tool's arguments")

    async def run_tool(self, command: RunTool, run: ToolRun, context: TurnContext) -> ToolOutcome:
        outcome = await run(command)
        self._orders.reach(context.conversation_id, "after a tool's deed")
        return outcome

    def _fail_once(self, conversation_id: str) -> None:
        """If it is ordered to die in a retry, let the first try fail."""
        if conversation_id in self._failed:
            self._orders.reach(conversation_id, "in a retry")
        elif self._orders.ordered(conversation_id) == "in a retry":
            self._failed.add(conversation_id)
            raise ModelError("overloaded", "Too much to do.")


def killable(orders: Orders, note: Callable[[str, str, str], None]) -> Agent:
    """The agent; `note(conversation, tool call, deed)` keeps what its tools did."""

    @tool
    async def keep(text: str, context: ToolContext) -> str:
        """Keep a text."""
        note(context.conversation_id, context.tool_call_id, "kept")
        return text

    @tool(approval="required")
    async def publish(text: str, context: ToolContext) -> str:
        """Publish a text."""
        note(context.conversation_id, context.tool_call_id, "published")
        return text

    tools: Sequence[Tool] = (keep, publish)
    model = ScriptedModel(_answer, delay=0.002)
    return Agent(name="killable", model=model, tools=tools, middleware=(Retry(first_pause=0.05), KillPoints(orders)))


def _answer(request: ModelRequest) -> Step:
    """Call the tool that the message names, then tell what it returned."""
    if results := tool_returns(request.messages):
        return Step(f"It is done: {results[-1].text}.")
    name, _, argument = user_texts(request.messages)[-1].partition(": ")
    return Step(ANNOUNCED, thinking=THOUGHT, calls=[Call(name, {"text": argument})])


def install_kill_points(orders: Orders) -> None:
    """Make this process reach the points around appends and before a conversation stops as well."""
    Log.append = _with_kill_points(Log.append, orders)  # type: ignore[method-assign]
    Conversation.stop = _with_kill_point(Conversation.stop, orders)  # type: ignore[method-assign]


def _with_kill_points(append: Any, orders: Orders) -> Any:
    @wraps(append)
    async def call(log: Log, claim: Any, records: Sequence[bytes], **options: Any) -> int:
        conversation_id = claim[0] if isinstance(claim, tuple) else claim.conversation_id
        kind = orjson.loads(records[-1]).get("type") if records and records[-1].startswith(b"{") else "what is no event"
        orders.reach(conversation_id, f"before the append of {kind}")
        last_seq: int = await append(log, claim, records, **options)
        orders.reach(conversation_id, f"behind the append of {kind}")
        return last_seq

    return call


def _with_kill_point(stop: Any, orders: Orders) -> Any:
    @wraps(stop)
    async def call(conversation: Conversation, *reason: ExitReason) -> None:
        orders.reach(conversation.id, "during its departure")
        await stop(conversation, *reason)

    return call

"""A model without a network: it plays a script word by word, for the offline examples, tests and benchmarks."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

import orjson

from agents.errors import ModelError
from agents.models.metering import report_usage
from agents.models.protocol import (
    Completed,
    Json,
    ModelEvent,
    ModelRequest,
    TextChunk,
    ThinkingChunk,
    TokenUsage,
    ToolUseStarted,
)
from agents.models.scripted.steps import Call, FailurePoint, ScriptFunction, Step, script_of

WORD = re.compile(r"\s*\S+|\s+")


class ScriptedModel:
    """Answers from a script, which is a list of steps or a function of the request.

    `delay` is the pause before each word, in seconds. Deterministic: the same request gets the same answer.
    """

    reports_usage = True

    def __init__(self, script: ScriptFunction | Sequence[Step], *, delay: float = 0.0, name: str = "scripted") -> None:
        self.name = name
        self.provider = "scripted"
        self._choose = script if callable(script) else script_of(script)
        self._delay = delay

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        step, model = self._choose(request), request.model or self.name
        await self._fail_or_hang(step, "before")
        answer, read, written = object(), _tokens(list(request.messages)), 0
        report_usage(answer, model, TokenUsage(read))
        try:
            async for word in self._words(step.thinking):
                written += len(word)
                yield ThinkingChunk(word)
            async for word in self._words(step.text):
                written += len(word)
                yield TextChunk(word)
            calls = _call_blocks(step.calls, request)
            for block in calls:
                await asyncio.sleep(self._delay)
                yield ToolUseStarted(block["id"], block["name"])
            await self._fail_or_hang(step, "after")
            completed = _completed(step, calls, read, model)
        except BaseException:
            report_usage(answer, model, TokenUsage(read, written // 4))
            raise
        report_usage(answer, model, completed.usage)
        yield completed

    async def aclose(self) -> None:
        """Do nothing: it holds no connection."""

    async def _words(self, text: str) -> AsyncIterator[str]:
        for word in WORD.findall(text):
            await asyncio.sleep(self._delay)  # also at 0: other tasks run between two words
            yield word

    async def _fail_or_hang(self, step: Step, point: FailurePoint) -> None:
        if step.hangs == point:
            await asyncio.Event().wait()
        if step.failure is not None and step.fails == point:
            raise ModelError(*step.failure.args)


def _call_blocks(calls: Sequence[Call], request: ModelRequest) -> list[Json]:
    turn = sum(message["role"] == "assistant" for message in request.messages)
    return [_call_block(call, f"toolu_scripted_{turn}_{number}") for number, call in enumerate(calls)]


def _call_block(call: Call, identifier: str) -> Json:
    block: Json = {"type": "tool_use", "id": identifier, "name": call.name, "input": dict(call.arguments)}
    return block if call.malformed is None else {**block, "input": {}, "malformed": call.malformed}


def _completed(step: Step, calls: list[Json], read: int, model: str) -> Completed:
    content: list[Json] = []
    if step.thinking:
        content.append({"type": "thinking", "thinking": step.thinking, "signature": "scripted"})
    if step.text:
        content.append({"type": "text", "text": step.text})
    content.extend(calls)
    stop_reason = step.stop_reason or ("tool_use" if calls else "end_turn")
    usage = TokenUsage(read, _tokens(content))
    return Completed(content, stop_reason, usage, model, "scripted")


def _tokens(value: object) -> int:
    """A rough count: a token has four characters."""
    return len(orjson.dumps(value)) // 4

"""A model without a network: plays a script word by word, for the offline demo, tests and benchmarks."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

import orjson

from agents.errors import ModelError
from agents.models.protocol import (
    Completed,
    Json,
    ModelEvent,
    ModelRequest,
    TextChunk,
    ThinkingChunk,
    ToolUseStarted,
    Usage,
)
from agents.models.scripted.steps import Call, Place, Script, Step, script_of

WORD = re.compile(r"\s*\S+|\s+")


class ScriptedModel:
    """Answers from a script: a list of steps, or a function of the request.

    `delay` is the pause before each word, in seconds. Deterministic: the same request gets the same answer.
    """

    def __init__(self, script: Script | Sequence[Step], *, delay: float = 0.0, name: str = "scripted") -> None:
        self.name = name
        self._choose = script if callable(script) else script_of(script)
        self._delay = delay

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        step = self._choose(request)
        await self._obstruct(step, "before")
        async for word in self._words(step.thinking):
            yield ThinkingChunk(word)
        async for word in self._words(step.text):
            yield TextChunk(word)
        calls = _call_blocks(step.calls, request)
        for block in calls:
            await asyncio.sleep(self._delay)
            yield ToolUseStarted(block["id"], block["name"])
        await self._obstruct(step, "after")
        yield _completed(step, calls, request, request.model or self.name)

    async def aclose(self) -> None:
        """There is nothing to give back."""

    async def _words(self, text: str) -> AsyncIterator[str]:
        for word in WORD.findall(text):
            await asyncio.sleep(self._delay)  # also at 0: others get their turn between two words
            yield word

    async def _obstruct(self, step: Step, place: Place) -> None:
        if step.hangs == place:
            await asyncio.Event().wait()
        if step.failure is not None and step.fails == place:
            raise ModelError(*step.failure.args)


def _call_blocks(calls: Sequence[Call], request: ModelRequest) -> list[Json]:
    turn = sum(message["role"] == "assistant" for message in request.messages)
    return [_call_block(call, f"toolu_scripted_{turn}_{number}") for number, call in enumerate(calls)]


def _call_block(call: Call, identifier: str) -> Json:
    block: Json = {"type": "tool_use", "id": identifier, "name": call.name, "input": dict(call.arguments)}
    return block if call.malformed is None else {**block, "input": {}, "malformed": call.malformed}


def _completed(step: Step, calls: list[Json], request: ModelRequest, model: str) -> Completed:
    content: list[Json] = []
    if step.thinking:
        content.append({"type": "thinking", "thinking": step.thinking, "signature": "scripted"})
    if step.text:
        content.append({"type": "text", "text": step.text})
    content.extend(calls)
    stop_reason = step.stop_reason or ("tool_use" if calls else "end_turn")
    usage = Usage(_tokens(list(request.messages)), _tokens(content))
    return Completed(content, stop_reason, usage, model)


def _tokens(value: object) -> int:
    """A rough count: four characters to the token."""
    return len(orjson.dumps(value)) // 4

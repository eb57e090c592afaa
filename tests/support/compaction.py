"""Parts for the tests of compaction: a model that keeps what it was asked, and short words for what it was shown."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from agents.agent import Agent
from agents.middleware.compaction import Compaction, Thresholds
from agents.middleware.compaction.reducers import OMISSION, STUB
from agents.middleware.compaction.summarise import TASK
from agents.models import Call, Json, ModelEvent, ModelRequest, ScriptedModel, Step
from agents.models.scripted.steps import ScriptFunction
from agents.tools import Tool, tool
from tests.support.conversations import say, until

NEVER = 10**9
"""A threshold that is never reached."""


class Held(ScriptedModel):
    """Waits for a permit before each answer."""

    def __init__(self, script: ScriptFunction, permits: int) -> None:
        super().__init__(script)
        self.permits = asyncio.Semaphore(permits)
        self.begun = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.begun += 1
        await self.permits.acquire()
        async for event in super().stream(request):
            yield event


class Model:
    """Does what the last message says: "look 3" is three calls one after another, "look 1x3" three at once.

    As summariser it plays `summaries`, then says how many it has written. All requests are kept. With `permits`
    it gives so many answers, and waits for each further one.
    """

    def __init__(self, summaries: Sequence[Step] = (), *, permits: int | None = None) -> None:
        self.asked: list[ModelRequest] = []
        self.summarised: list[str] = []
        self._summaries = list(summaries)
        self.model = ScriptedModel(self._choose) if permits is None else Held(self._choose, permits)

    def permit(self) -> None:
        """Let one more answer through."""
        assert isinstance(self.model, Held)
        self.model.permits.release()

    @property
    def begun(self) -> int:
        """How many answers have been asked for, those included that wait for their permit."""
        assert isinstance(self.model, Held)
        return self.model.begun

    @property
    def last(self) -> ModelRequest:
        return self.asked[-1]

    def _choose(self, request: ModelRequest) -> Step:
        if request.system == TASK:
            self.summarised.append(request.messages[0]["content"][0]["text"])
            return self._summaries.pop(0) if self._summaries else Step(f"summary {len(self.summarised)}")
        self.asked.append(request)
        words, steps = _wish(request.messages)
        if not words.startswith("look"):
            return Step(f"you said {words}")
        times, _, at_once = words.removeprefix("look ").partition("x")
        calls = [Call("look", {"step": steps, "number": number}) for number in range(int(at_once or 1))]
        return Step(calls=calls) if steps < int(times) else Step(f"looked {times} times")


def _wish(messages: Sequence[Json]) -> tuple[str, int]:
    """The newest words of the user, and how many answers have come since."""
    answers = 0
    for message in reversed(messages):
        texts = [block["text"] for block in message["content"] if block["type"] == "text"]
        if message["role"] == "user" and texts:
            return texts[-1], answers
        answers += message["role"] == "assistant"
    raise AssertionError("nobody has said anything")


def looking(size: int = 1000, **options: Any) -> Tool:
    """A tool whose results are this long."""

    @tool(**options)
    def look(step: int, number: int) -> str:
        """Look at something."""
        return f"{step}.{number} ".ljust(size, "x")

    return look


def compacting(summariser: Model | None = None, **options: Any) -> Compaction:
    """Of the thresholds only those that are given are ever reached."""
    limits = {name: options.pop(name, NEVER) for name in ("stub", "summary", "window", "working_set")}
    return Compaction(summariser and summariser.model, thresholds=Thresholds(**limits), **options)


def agent_of(model: Model, *tools: Tool, summariser: Model | None = None, **options: Any) -> Agent:
    """An agent that compacts."""
    return Agent(
        name="long",
        model=model.model,
        system_prompt="Be brief.",
        tools=tools or [looking()],
        middleware=[compacting(summariser, **options)],
    )


async def talk(conversation: Any, *words: str) -> None:
    """Say these one after another, each when the turn before has ended."""
    for each in words:
        turn = (await say(conversation, each)).turn
        await until(lambda turn=turn: conversation.inspect().state == "idle" and conversation.inspect().turn == turn)


def shape(messages: Sequence[Json]) -> list[str]:
    """A line for each message: who, and a word for each block."""
    return [f"{message['role']}: {', '.join(_word(block) for block in message['content'])}" for message in messages]


def _word(block: Json) -> str:
    match block:
        case {"type": "text", "text": text}:
            return "(omission)" if text == OMISSION else text
        case {"type": "tool_use", "input": {"step": step, "number": number}}:
            return f"call {step}.{number}"
        case {"type": "tool_result", "content": content}:
            return "stub" if content == STUB else f"result {str(content).split()[0]}"
        case _:
            return block["type"]

"""Parts for the tests of compaction: a model that keeps its requests, and short descriptions of their messages."""

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


class PermittedModel(ScriptedModel):
    """A model that waits for a permit before each answer."""

    def __init__(self, script: ScriptFunction, permits: int) -> None:
        super().__init__(script)
        self.permits = asyncio.Semaphore(permits)
        self.begun = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.begun += 1
        await self.permits.acquire()
        async for event in super().stream(request):
            yield event


class LookingModel:
    """A model that does what the last message says: "look 3" is three calls in a row, "look 1x3" three at once.

    As summariser it plays `summaries`, then says how many it has written. It keeps all requests. With `permits` it
    gives that many answers, and then waits for a permit before each further answer.
    """

    def __init__(self, summaries: Sequence[Step] = (), *, permits: int | None = None) -> None:
        self.requests: list[ModelRequest] = []
        self.summary_prompts: list[str] = []
        self._summaries = list(summaries)
        self.model = ScriptedModel(self._choose) if permits is None else PermittedModel(self._choose, permits)

    def permit(self) -> None:
        """Let one more answer through."""
        assert isinstance(self.model, PermittedModel)
        self.model.permits.release()

    @property
    def begun(self) -> int:
        """How many answers have been requested, including the ones that wait for a permit."""
        assert isinstance(self.model, PermittedModel)
        return self.model.begun

    @property
    def last(self) -> ModelRequest:
        return self.requests[-1]

    def _choose(self, request: ModelRequest) -> Step:
        if request.system == TASK:
            self.summary_prompts.append(request.messages[0]["content"][0]["text"])
            return self._summaries.pop(0) if self._summaries else Step(f"summary {len(self.summary_prompts)}")
        self.requests.append(request)
        text, steps = _newest_text(request.messages)
        if not text.startswith("look"):
            return Step(f"you said {text}")
        times, _, at_once = text.removeprefix("look ").partition("x")
        calls = [Call("look", {"step": steps, "number": number}) for number in range(int(at_once or 1))]
        return Step(calls=calls) if steps < int(times) else Step(f"looked {times} times")


def _newest_text(messages: Sequence[Json]) -> tuple[str, int]:
    """The newest text of the user, and how many answers have followed it."""
    answers = 0
    for message in reversed(messages):
        texts = [block["text"] for block in message["content"] if block["type"] == "text"]
        if message["role"] == "user" and texts:
            return texts[-1], answers
        answers += message["role"] == "assistant"
    raise AssertionError("there is no text of the user")


def looking_tool(size: int = 1000, **options: Any) -> Tool:
    """A tool whose results have `size` characters."""

    @tool(**options)
    def look(step: int, number: int) -> str:
        """Look at something."""
        return f"{step}.{number} ".ljust(size, "x")

    return look


def compaction_with(summariser: LookingModel | None = None, **options: Any) -> Compaction:
    """Compaction in which only the given thresholds can be reached."""
    limits = {name: options.pop(name, NEVER) for name in ("stub", "summary", "window", "working_set")}
    return Compaction(summariser and summariser.model, thresholds=Thresholds(**limits), **options)


def agent_of(model: LookingModel, *tools: Tool, summariser: LookingModel | None = None, **options: Any) -> Agent:
    """An agent that compacts."""
    return Agent(
        name="long",
        model=model.model,
        system_prompt="Be brief.",
        tools=tools or [looking_tool()],
        middleware=[compaction_with(summariser, **options)],
    )


async def say_each(conversation: Any, *text: str) -> None:
    """Send these messages one after another, each when the turn before has ended."""
    for each in text:
        turn = (await say(conversation, each)).turn
        await until(lambda turn=turn: conversation.inspect().state == "idle" and conversation.inspect().turn == turn)


def shape(messages: Sequence[Json]) -> list[str]:
    """A line for each message: its role, and a word for each block."""
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

"""Parts for these tests: a tool that works until it is told to finish, and agents that call what they are given."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from agents.agent import Agent
from agents.models import Call, ScriptedModel, Step
from agents.tools import Tool, ToolContext, tool
from tests.support.conversations import until


class Bench:
    """A tool named `work`; each run is noted with its context, and lasts until `finish` is set."""

    def __init__(self, **options: Any) -> None:
        self.runs: list[ToolContext] = []
        self.cancelled = 0
        self.finish = asyncio.Event()

        async def work(context: ToolContext, job: str = "any") -> str:
            """Work on something."""
            self.runs.append(context)
            try:
                await self.finish.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            return f"{job} done"

        self.tool: Tool = tool(**options)(work)

    async def begun(self, runs: int = 1) -> None:
        """Wait until the tool has been entered so often."""
        await until(lambda: len(self.runs) >= runs)


def worker(*tools: Tool, calls: Sequence[Call] = (Call("work"),), **options: Any) -> Agent:
    """An agent that makes these calls at once and then says "done", for every message again."""
    steps = [Step(calls=calls), Step("done")] * 10
    return Agent(name="worker", model=ScriptedModel(steps), tools=tools, **options)


Talker = Callable[..., Agent]
"""Makes an agent on the real client against the stand-in: its tools, then options of the client."""

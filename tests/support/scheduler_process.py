"""A scheduler in a process of its own, for tests that kill it: see tests/support/killed_schedulers.py."""

import asyncio
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from agents.agent import Agent, Catalog
from agents.local import LocalConversations
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.tools import ToolContext, tool
from deployments.process.store import connect_store
from deployments.schedules import scheduler as scheduler_module
from deployments.schedules.scheduler import make_scheduler
from deployments.settings import Settings
from deployments.work.client import JobClient
from deployments.work.queues import Queues


@dataclass(slots=True)
class FastClock:
    """Stands at `begin` (ms) until the file `started` says since when (s) it goes, then `speed` times as fast.

    It is wrong by `skew` (ms).
    """

    begin: int
    started: Path
    speed: float
    skew: int = 0
    _since: float | None = None

    def __call__(self) -> int:
        if self._since is None and self.started.exists():
            self._since = float(self.started.read_text())
        gone = 0.0 if self._since is None else time.time() - self._since
        return self.begin + round(1000 * self.speed * gone) + self.skew

    def start(self) -> None:
        """Let it go, for all processes."""
        beside = self.started.with_suffix(".new")
        beside.write_text(str(time.time()))
        beside.rename(self.started)


def noting_agent(ledger: Path) -> Agent:
    """Has one tool note in the ledger what its message says, and under which key: the world outside."""

    @tool
    async def note(context: ToolContext, text: str) -> str:
        """Note it."""
        file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, f"{text} {context.tool_call_id}\n".encode())
        finally:
            os.close(file)
        return "noted"

    def answer(request: ModelRequest) -> Step:
        last = request.messages[-1]["content"][-1]
        if last["type"] == "tool_result":
            return Step("Done.")
        return Step(calls=[Call("note", {"text": last["text"]})])

    return Agent(name="noting", model=ScriptedModel(answer), tools=[note])


async def work(settings: Settings, ledger: Path, clock: FastClock) -> None:
    """Schedule until the process is killed."""
    store, queues, catalog = connect_store(settings), Queues(settings), Catalog([noting_agent(ledger)])
    own = make_scheduler(store, catalog, LocalConversations(store, catalog), JobClient(store, queues), clock)
    (ledger.parent / f"ready-{os.getpid()}").touch()
    await own.run()


if __name__ == "__main__":
    url, prefix, ledger, begin, started, speed, skew = sys.argv[1:]
    scheduler_module.LEASE_MS = 300
    scheduler_module.PERIOD_SECONDS = 0.05
    clock = FastClock(int(begin), Path(started), float(speed), int(skew))
    asyncio.run(work(Settings(redis_url=url, prefix=prefix), Path(ledger), clock))

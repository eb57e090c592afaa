"""A run without Ray, in one process: the same agents, people, watchers and evidence, at the speed of a unit test.

An incarnation can be doubled and can crash; who watches does so through the ingress' own code.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from agents.context import AgentContext
from agents.conversation import Conversation, ConversationStatus, Receipt
from agents.errors import Refused
from agents.turn.inputs import OnBusy, Resolve, UserMessage
from deployments.ingress.streams.watch import open_watcher
from store import StoreError
from tests.chaos.agents import agents
from tests.chaos.collect import at_rest, transcripts
from tests.chaos.evidence import Evidence
from tests.chaos.history import Operation
from tests.chaos.ledger import Ledger
from tests.chaos.notices import Listener
from tests.chaos.sightings import Watched
from tests.chaos.tasks import Task
from tests.support.conversations import PATIENCE, World, text
from tests.support.doors import Doors

CONVERSATION = "c"
PERSON = AgentContext(principal="ada")
YES = {"approval": "approve", "elicitation": "respond"}


class Stage(World):
    """A world whose conversations may have broken every law: the checks are to find that, not the fixture."""

    async def close(self) -> None:
        for conversation in self._of:
            conversation.abandon()
        await self.mcp.aclose()
        for store in self._stores:
            await store.aclose()


class Rehearsal:
    """One conversation with the clerk; made by `rehearsing`."""

    def __init__(self, stage: Stage, listener: Listener, ledger: Ledger) -> None:
        self.stage = stage
        self.ledger = ledger
        self.operations: list[Operation] = []
        self.watched: list[Watched] = []
        self._listener = listener
        self._watching: set[asyncio.Task[None]] = set()

    async def say(self, task: Task, on_busy: OnBusy = "queue") -> Receipt:
        """Send a task, by name."""
        wanted = {"client_id": f"task-{task.number}", "text": str(task), "on_busy": on_busy}
        message = UserMessage(content=text(str(task)), on_busy=on_busy, client_id=wanted["client_id"], principal="ada")
        return await self._noted("send", wanted, self.stage.doors.send(CONVERSATION, message, PERSON))

    async def decide(self, decision: Any) -> Receipt:
        """Answer the call that waits, as soon as one does."""
        conversation = await self._living()
        await self.until(lambda: conversation.inspect().pending)
        [call] = conversation.inspect().pending
        return await self._decided(call, decision)

    async def _decided(self, call: str, decision: Any) -> Receipt:
        wanted = {"tool_call_id": call, "decision": decision}
        answer = "yes" if decision == "respond" else None
        resolution = Resolve(tool_call_id=call, decision=decision, answer=answer, principal="ada")
        return await self._noted("decide", wanted, self.stage.doors.resolve(CONVERSATION, resolution, PERSON))

    async def decide_any(self, refuse: bool = False) -> Receipt | None:
        """Answer one of the calls that wait, if any does."""
        pending = (await self._living()).inspect().pending
        for call, asked in pending.items():
            return await self._decided(call, "reject" if refuse else YES[asked["kind"]])
        return None

    async def settle(self, seconds: float) -> None:
        """Say yes to all that waits, until nothing is unfinished."""
        async with asyncio.timeout(seconds):
            while not await at_rest(self.stage.store, 0.2):
                with suppress(Refused):
                    await self.decide_any()

    async def cancel(self) -> Receipt:
        return await self._noted("cancel", {}, self.stage.doors.cancel(CONVERSATION, "ada"))

    async def double(self) -> tuple[Conversation, Conversation]:
        """A second incarnation beside the living one: the older and the newer."""
        return await self._living(), await self.stage.revive(CONVERSATION)

    async def crash(self) -> None:
        """The process dies; the next one takes over."""
        await self.stage.crash(await self._living())
        await self.stage.revive(CONVERSATION)

    async def rest(self) -> None:
        """Wait until the newest incarnation is at rest."""
        async with asyncio.timeout(PATIENCE):
            await (await self._living()).rest()

    async def begun(self, tool: str, times: int = 1) -> None:
        """Wait until the ledger says that a tool has begun so often."""
        await self.until(lambda: self._deeds(tool) >= times)

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - the ledger is a file
                await asyncio.sleep(0.005)

    def watch(self, kind: str = "stayed") -> None:
        """Follow the conversation until the end."""
        watched = Watched(kind, CONVERSATION)
        self.watched.append(watched)
        task = asyncio.create_task(self._follow(watched))
        self._watching.add(task)

    async def evidence(self) -> Evidence:
        """All that is known, once every watcher has had the time to see the end."""
        found = await transcripts(self.stage.store, [CONVERSATION])
        last_seq = found[CONVERSATION].log[-1]["seq"]
        for _ in range(100):
            if all(watched.last_seq >= last_seq for watched in self.watched):
                break
            await asyncio.sleep(0.01)
        await self.leave()
        heard = dict(self._listener.heard)
        return Evidence(self.operations, found, self.ledger.entries(), heard, self.watched)

    async def leave(self) -> None:
        """Nobody watches any more."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)

    async def _living(self) -> Conversation:
        return await self.stage.doors.reach(CONVERSATION)

    async def _noted(self, kind: Any, wanted: Mapping[str, Any], asked: Awaitable[Receipt]) -> Receipt:
        operation = Operation("ada", kind, CONVERSATION, wanted)
        self.operations.append(operation)
        begun = time.time()
        try:
            receipt = await asked
        except Refused as refused:
            operation.note(begun, "refused", {"code": refused.code})
            raise
        operation.note(begun, "ok", {"seq": receipt.seq, "turn": receipt.turn})
        return receipt

    async def _follow(self, watched: Watched) -> None:
        door: Any = Glimpses(self.stage.doors)
        while True:
            with suppress(StoreError):  # the stream ends, and the tab comes back
                async with open_watcher(self.stage.store, door, CONVERSATION) as watch:
                    after = watched.connect(watched.last_seq).after
                    async for event in watch.events(after):
                        watched.take(event)

    def _deeds(self, tool: str) -> int:
        return sum(entry.kind == "begin" and entry.facts["tool"] == tool for entry in self.ledger.entries())


class Glimpses:
    """What a watch asks of a door."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def status(self, conversation_id: str) -> ConversationStatus | None:
        found = self._doors.live.get(conversation_id)
        return None if found is None or found.gone.done() else found.inspect()


@asynccontextmanager
async def rehearsing(url: str, prefix: str, directory: Path, *, around: str | None = None) -> AsyncIterator[Rehearsal]:
    """A rehearsal with its conversation created; the listener hears Redis at `around`, if `url` cannot be trusted."""
    ledger = Ledger(directory)
    stage = Stage(url, prefix)
    async with Listener(around or url, prefix) as listener:
        rehearsal = Rehearsal(stage, listener, ledger)
        try:
            stage.agents.update(agents(ledger).agents)
            await stage.create(stage.agents["clerk"], CONVERSATION)
            yield rehearsal
        finally:
            await rehearsal.leave()
            await stage.close()

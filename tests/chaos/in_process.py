"""The system without Ray, in one process: the same agents, watchers and evidence, at the speed of a unit test.

A conversation can crash and can have two incarnations; watchers use the code of the ingress.
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
from tests.chaos.collect import read_transcripts, wait_until_finished, wait_until_heard
from tests.chaos.consumers.counting import CountingConsumer
from tests.chaos.evidence import Evidence
from tests.chaos.history import Operation
from tests.chaos.ledger import Ledger
from tests.chaos.notices import Listener
from tests.chaos.tasks import Task
from tests.chaos.watcher_record import WatcherRecord
from tests.support.conversations import PATIENCE, World, text
from tests.support.doors import Doors
from tests.support.feed import running

CONVERSATION = "c"
PERSON = AgentContext(principal="ada")
POSITIVE = {"approval": "approve", "elicitation": "respond"}


class UncheckedWorld(World):
    """A world that does not check its conversations at the end: here the checks have to find what is wrong."""

    async def close(self) -> None:
        for conversation in self._of:
            conversation.abandon()
        await self.mcp.aclose()
        for store in self._stores:
            await store.aclose()


class InProcessSystem:
    """One conversation with the clerk; made by `in_process_system`."""

    def __init__(self, world: UncheckedWorld, listener: Listener, ledger: Ledger) -> None:
        self.world = world
        self.ledger = ledger
        self.operations: list[Operation] = []
        self.records: list[WatcherRecord] = []
        self._listener = listener
        self._watching: set[asyncio.Task[None]] = set()

    async def say(self, task: Task, on_busy: OnBusy = "queue") -> Receipt:
        """Send a task."""
        request = {"client_id": f"task-{task.number}", "text": str(task), "on_busy": on_busy}
        message = UserMessage(content=text(str(task)), on_busy=on_busy, client_id=request["client_id"], principal="ada")
        return await self._record("send", request, self.world.doors.send(CONVERSATION, message, PERSON))

    async def decide(self, decision: Any) -> Receipt:
        """Wait for a call that asks people, and answer it."""
        conversation = await self._newest_incarnation()
        await self.until(lambda: conversation.inspect().pending)
        [call] = conversation.inspect().pending
        return await self._resolve(call, decision)

    async def _resolve(self, call: str, decision: Any) -> Receipt:
        request = {"tool_call_id": call, "decision": decision}
        answer = "yes" if decision == "respond" else None
        resolution = Resolve(tool_call_id=call, decision=decision, answer=answer, principal="ada")
        return await self._record("decide", request, self.world.doors.resolve(CONVERSATION, resolution, PERSON))

    async def decide_any(self, refuse: bool = False) -> Receipt | None:
        """Answer one of the calls that ask people, if there is any."""
        pending = (await self._newest_incarnation()).inspect().pending
        for call, shown in pending.items():
            return await self._resolve(call, "reject" if refuse else POSITIVE[shown["kind"]])
        return None

    async def finish(self, seconds: float) -> None:
        """Approve and answer all calls that ask people, until no turn is unfinished."""
        async with asyncio.timeout(seconds):
            while not await wait_until_finished(self.world.store, 0.2):
                with suppress(Refused):
                    await self.decide_any()

    async def cancel(self) -> Receipt:
        return await self._record("cancel", {}, self.world.doors.cancel(CONVERSATION, "ada"))

    async def add_incarnation(self) -> tuple[Conversation, Conversation]:
        """Start a second incarnation; returns the older and the newer one."""
        return await self._newest_incarnation(), await self.world.revive(CONVERSATION)

    async def crash(self) -> None:
        """End the incarnation as a dying process would, and start the next one."""
        await self.world.crash(await self._newest_incarnation())
        await self.world.revive(CONVERSATION)

    async def rest(self) -> None:
        """Wait until the newest incarnation is at rest."""
        async with asyncio.timeout(PATIENCE):
            await (await self._newest_incarnation()).rest()

    async def wait_until_begun(self, tool: str, times: int = 1) -> None:
        """Wait until a tool has begun so many times, by the ledger."""
        await self.until(lambda: self._times_begun(tool) >= times)

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - the ledger is a file
                await asyncio.sleep(0.005)

    def watch(self, kind: str = "steady") -> None:
        """Watch the conversation until the end."""
        record = WatcherRecord(kind, CONVERSATION)
        self.records.append(record)
        task = asyncio.create_task(self._follow(record))
        self._watching.add(task)

    async def evidence(self) -> Evidence:
        """What is known, once every watcher has had the time to see the end."""
        await wait_until_heard(self.world.store, PATIENCE)
        found = await read_transcripts(self.world.store, [CONVERSATION])
        last_seq = found[CONVERSATION].log[-1]["seq"]
        for _ in range(100):
            if all(record.last_seq >= last_seq for record in self.records):
                break
            await asyncio.sleep(0.01)
        await self.stop_watching()
        notices_by_conversation = dict(self._listener.notices_by_conversation)
        entries = self.ledger.entries()
        heard = [entry for entry in entries if entry.kind == "heard"]
        return Evidence(self.operations, found, entries, notices_by_conversation, self.records, heard)

    async def stop_watching(self) -> None:
        """End all watchers."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)

    async def _newest_incarnation(self) -> Conversation:
        return await self.world.doors.reach(CONVERSATION)

    async def _record(self, kind: Any, request: Mapping[str, Any], shown: Awaitable[Receipt]) -> Receipt:
        operation = Operation("ada", kind, CONVERSATION, request)
        self.operations.append(operation)
        begun = time.time()
        try:
            receipt = await shown
        except Refused as refused:
            operation.note(begun, "refused", {"code": refused.code})
            raise
        operation.note(begun, "ok", {"seq": receipt.seq, "turn": receipt.turn})
        return receipt

    async def _follow(self, record: WatcherRecord) -> None:
        door: Any = StatusDoor(self.world.doors)
        while True:
            with suppress(StoreError):  # the stream ends, and the watcher connects again
                async with open_watcher(self.world.store, door, CONVERSATION) as watch:
                    after = record.open_stream(record.last_seq).after
                    async for event in watch.events(after):
                        record.add(event)

    def _times_begun(self, tool: str) -> int:
        return sum(entry.kind == "begin" and entry.facts["tool"] == tool for entry in self.ledger.entries())


class StatusDoor:
    """The part of the door that a watcher uses."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def status(self, conversation_id: str) -> ConversationStatus | None:
        found = self._doors.live.get(conversation_id)
        return None if found is None or found.gone.done() else found.inspect()


@asynccontextmanager
async def in_process_system(
    url: str, prefix: str, directory: Path, *, direct_url: str | None = None
) -> AsyncIterator[InProcessSystem]:
    """A system with one conversation; the listener uses Redis at `direct_url`, if `url` leads to a proxy."""
    ledger = Ledger(directory)
    world = UncheckedWorld(url, prefix)
    async with (
        Listener(direct_url or url, prefix) as listener,
        running(world.connect(), CountingConsumer(ledger)),
    ):
        system = InProcessSystem(world, listener, ledger)
        try:
            world.agents.update(agents(ledger).agents)
            await world.create(world.agents["clerk"], CONVERSATION)
            yield system
        finally:
            await system.stop_watching()
            await world.close()

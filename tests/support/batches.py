"""Batches without Ray: conversations of this process, a worker and the feed, and agents that count what they do."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

from agents.agent import Agent, Catalog
from agents.errors import ModelError
from agents.local import LocalConversations
from agents.models import ScriptedModel
from agents.models.protocol import ModelRequest
from agents.models.scripted.steps import Call, Step
from agents.tools import tool
from agents.tools.remote import LocalTasks
from deployments.batches.client import BatchClient
from deployments.batches.definition import BatchDefinition
from deployments.feed.consumers.batches import BatchRows
from deployments.process.store import connect_store
from deployments.settings import Settings
from deployments.work.attempt import Attempts
from deployments.work.client import JobClient
from deployments.work.job_modules import import_jobs
from deployments.work.queues import Queues
from deployments.work.worker import JobWorker, WorkServices
from store import Store
from store.registries.batches import BatchRecord
from tests.support.api import eventually
from tests.support.feed import running

OWNER = "acme/ada"


class Label(BaseModel):
    """What the agent `labeller` answers."""

    label: str
    length: int


class Door(LocalConversations):
    """The door of one process, which a batch can also ask to dismiss a conversation."""

    async def dismiss(self, conversation_id: str, place: str | None) -> None:
        live = self.live.pop(conversation_id, None)
        if live is not None:
            live.abandon()


def said(request: ModelRequest) -> str:
    """The last text that a person has said."""
    content = [message for message in request.messages if message["role"] == "user"][-1]["content"]
    return content if isinstance(content, str) else " ".join(block.get("text", "") for block in content)


FAILS: set[str] = set()
"""What the model of `echo` refuses."""
OVERLOADED: dict[str, int] = {}
"""How often it is overloaded when it is told that."""


def echo(request: ModelRequest) -> Step:
    text = said(request)
    if text in FAILS:
        return Step(failure=ModelError("invalid_request", "It is refused."))
    if OVERLOADED.get(text):
        OVERLOADED[text] -= 1
        return Step(failure=ModelError("overloaded", "It is overloaded."))
    return Step(f"you said {text}")


def label(request: ModelRequest) -> Step:
    text = said(request)
    return Step.json({"label": "long" if len(text) > 3 else "short", "length": len(text)})


def agents(ledger: Path, models: Mapping[str, Any] = {}) -> Catalog:
    """`echo`, `labeller`, `clerk` (writes a line in the ledger by a tool), `asker` (asks a person first)."""

    @tool
    async def write(line: str) -> str:
        """Write a line in the ledger."""
        with ledger.open("a") as file:
            file.write(f"{line}\n")
        return "written"

    def clerk(request: ModelRequest) -> Step:
        if request.messages[-1]["role"] == "user" and not has_result(request):
            return Step(calls=[Call("write", {"line": said(request)})])
        return Step("done")

    @tool(approval="required")
    async def publish(line: str) -> str:
        """Publish a line."""
        return f"published {line}"

    def asker(request: ModelRequest) -> Step:
        if "ask" in said(request) and not has_result(request):
            return Step(calls=[Call("publish", {"line": said(request)})])
        return Step("done")

    found = [
        Agent(name="echo", model=models.get("echo") or ScriptedModel(echo)),
        Agent(name="labeller", model=ScriptedModel(label), output=Label),
        Agent(name="clerk", model=ScriptedModel(clerk), tools=[write]),
        Agent(name="asker", model=ScriptedModel(asker), tools=[publish]),
    ]
    return Catalog({agent.name: agent for agent in found}, default="echo")


def has_result(request: ModelRequest) -> bool:
    return any(
        block["type"] == "tool_result"
        for message in request.messages
        if not isinstance(message["content"], str)
        for block in message["content"]
    )


@dataclass(slots=True)
class BatchWorld:
    """What a test of batches works with."""

    settings: Settings
    store: Store
    door: Door
    jobs: JobClient
    batches: BatchClient
    out: Path
    fails: set[str]
    overloaded: dict[str, int]

    async def upload(self, rows: Sequence[Mapping[str, Any] | bytes], owner: str = OWNER) -> str:
        """Upload rows of JSON Lines; the file's id."""
        lines = [row if isinstance(row, bytes) else orjson.dumps(row) for row in rows]

        async def pieces() -> AsyncIterator[bytes]:
            yield b"\n".join(lines)

        return (await self.batches.files.receive(owner, pieces()))[0]

    async def begin(
        self, rows: Sequence[Mapping[str, Any] | bytes], agent: str = "echo", **options: Any
    ) -> BatchRecord:
        """Begin a batch of these rows."""
        definition = BatchDefinition(agent=agent, file=await self.upload(rows), **options)
        return await self.batches.create(definition, OWNER)

    async def until(self, batch_id: str, *states: str) -> BatchRecord:
        """Wait until the batch is in one of these states."""

        async def found() -> BatchRecord | None:
            batch = await self.store.batches.get(batch_id)
            return batch if batch is not None and batch.state in states else None

        return await eventually(found, 60)

    async def until_holds(self, batch_id: str, condition: Callable[[BatchRecord], bool]) -> BatchRecord:
        """Wait until the record is such."""

        async def found() -> BatchRecord | None:
            batch = await self.store.batches.get(batch_id)
            return batch if batch is not None and condition(batch) else None

        return await eventually(found, 60)

    async def results(self, batch_id: str) -> list[dict[str, Any]]:
        """What is in the results as JSON Lines."""
        pieces = await self.batches.files.open_result(batch_id, "results.jsonl")
        assert pieces is not None
        content = b"".join([piece async for piece in pieces])
        return [orjson.loads(line) for line in content.splitlines()]


@asynccontextmanager
async def batch_world(settings: Settings, catalog: Catalog, out: Path) -> AsyncIterator[BatchWorld]:
    """Conversations, feed and worker run while the block does."""
    import_jobs(settings)
    store, queues, own_queues = connect_store(settings), Queues(settings), Queues(settings)
    jobs = JobClient(store, queues)
    door = Door(store, catalog)
    batches = BatchClient(settings, store, catalog, jobs)
    worker = JobWorker(
        own_queues, Attempts(store, WorkServices(settings, catalog, store, door, jobs), LocalTasks()), jobs
    )  # type: ignore[arg-type]
    try:
        async with running(store, BatchRows(store, batches)):
            await worker.start()
            yield BatchWorld(settings, store, door, jobs, batches, out, FAILS, OVERLOADED)
    finally:
        FAILS.clear()
        OVERLOADED.clear()
        await worker.stop(0)
        with suppress(asyncio.CancelledError):
            await door.aclose()
        await queues.aclose()
        await own_queues.aclose()
        await store.aclose()


def catalog(settings: Settings) -> Catalog:
    """The same for an application with `RAYLOGUE_AGENTS`."""
    return agents(Path(settings.data_dir) / "ledger.txt")

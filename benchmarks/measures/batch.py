"""A batch beside people: its turns a second next to interactive load, and what it adds to their first token."""

import asyncio
import time
from collections.abc import Sequence

import httpx
import orjson

from benchmarks.agents import PLAIN
from benchmarks.chat import QUESTION, ChatClient, chats
from benchmarks.figures import MILLISECONDS, Figure, spread
from benchmarks.measures.concurrent import open_all
from benchmarks.settle import settle
from benchmarks.size import Size
from benchmarks.subjects import Subject

PEOPLE = 2
"""People who chat meanwhile, one turn after another, with pauses as people make them."""
PAUSE_SECONDS = 0.5
LOOK_SECONDS = 0.2


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """Interactive load alone, then a few people alone, then the same people while a batch runs."""
    await settle(subject.roots, size.settle_seconds)
    async with chats(subject) as clients, subject.service.client() as http:
        await open_all(subject, clients, size.conversations)
        await _run_batch(http, size.conversations, size)  # its worker has started after that
        interactive = await _interactive(clients, size.turns)
        people = clients[:PEOPLE]
        await settle(subject.roots, size.settle_seconds)
        alone = await _chat(people, asyncio.create_task(asyncio.sleep(size.people_seconds)))
        running = asyncio.create_task(_run_batch(http, size.rows, size))
        beside = await _chat(people, running)
        rate = running.result()
        batch_ids = [one["id"] for one in (await http.get("/v1/batches")).json()["batches"]]
    async with subject.service.client() as http:
        for batch_id in batch_ids:
            (await http.delete(f"/v1/batches/{batch_id}")).raise_for_status()
    added = [after - before for after, before in zip(_middle(beside), _middle(alone), strict=True)]
    return [
        Figure(f"Turns a second, interactive, {size.conversations} conversations", "", interactive),
        Figure(f"Turns a second, batch of {size.rows} rows", "", rate),
        Figure("Batch, turns a second of interactive load", "x", rate / interactive),
        *spread("Time to first token, people alone", alone),
        *spread("Time to first token, people beside a batch", beside),
        Figure("Batch, added to the first token, p50", MILLISECONDS, 1000 * added[0]),
    ]


async def _interactive(clients: Sequence[ChatClient], turns: int) -> float:
    begin = time.perf_counter()
    await asyncio.gather(*(_turns(chat, turns) for chat in clients))
    return len(clients) * turns / (time.perf_counter() - begin)


async def _turns(chat: ChatClient, count: int) -> None:
    for _ in range(count):
        await chat.turn()


async def _chat(people: Sequence[ChatClient], until: "asyncio.Task[object]") -> list[float]:
    """The times to first token, in seconds, of people who chat until the task is over."""

    async def one(chat: ChatClient) -> list[float]:
        found: list[float] = []
        while not until.done() or not found:
            found.append((await chat.turn()).first_token)
            await asyncio.sleep(PAUSE_SECONDS)
        return found

    return [seconds for row in await asyncio.gather(*(one(chat) for chat in people)) for seconds in row]


async def _run_batch(http: httpx.AsyncClient, rows: int, size: Size) -> float:
    """Run a batch of so many rows; its turns a second, from the first to the last."""
    content = orjson.dumps({"message": QUESTION}) + b"\n"
    file = (await http.post("/v1/batch-files", content=content * rows)).raise_for_status().json()["id"]
    wanted = {"agent": PLAIN, "file": file, "concurrency": size.batch_concurrency, "conversations": "delete"}
    batch_id = (await http.post("/v1/batches", json=wanted)).raise_for_status().json()["id"]
    began, last = None, time.perf_counter()
    while True:
        found = (await http.get(f"/v1/batches/{batch_id}")).raise_for_status().json()
        if began is None and found["state"] != "queued":
            began = time.perf_counter()
        if found["total"] is None or found["succeeded"] + found["failed"] < found["total"]:
            last = time.perf_counter()
        if found["state"] == "done":
            assert found["succeeded"] == rows, found
            return rows / max(0.001, last - (began or last))
        assert found["state"] in ("queued", "running"), found
        await asyncio.sleep(LOOK_SECONDS)


def _middle(seconds: Sequence[float]) -> list[float]:
    ordered = sorted(seconds)
    return [ordered[len(ordered) // 2]]

"""Brings conversations to life without a turn: one at rest has to be woken to say that there is nothing to cancel."""

import asyncio
import time
from collections.abc import Sequence

import httpx

from benchmarks.subjects import Subject

PATIENCE, PAUSE_SECONDS = 20, 2.0
NOTHING_RUNS = 409
BUSY = (429, 503)


class NotWoken(Exception):
    """A conversation did not come to life."""


async def wake(subject: Subject, conversation_ids: Sequence[str], at_once: int) -> list[float]:
    """The seconds that each took. Raises `NotWoken`."""
    places = asyncio.Semaphore(at_once)
    async with subject.service.client(at_once) as client:

        async def wake_one(conversation_id: str) -> float:
            async with places:
                return await _wake(client, conversation_id)

        return await asyncio.gather(*(wake_one(conversation_id) for conversation_id in conversation_ids))


async def _wake(client: httpx.AsyncClient, conversation_id: str) -> float:
    begin, answer = time.perf_counter(), ""
    for _ in range(PATIENCE):
        response = await client.post(f"/v1/conversations/{conversation_id}/cancel")
        if response.status_code == NOTHING_RUNS:
            return time.perf_counter() - begin
        answer = f"{response.status_code} {response.text}"
        if response.status_code not in BUSY:
            break
        await asyncio.sleep(PAUSE_SECONDS)
    raise NotWoken(f"{conversation_id}: {answer}")

"""Activates conversations without a turn: a cancel has to activate a conversation to find that nothing runs."""

import asyncio
import time
from collections.abc import Sequence

import httpx

from benchmarks.subjects import Subject

MAX_TRIES, PAUSE_SECONDS = 20, 2.0
NOTHING_RUNS = 409
BUSY = (429, 503)


class NotActivated(Exception):
    """A conversation could not be activated."""


async def activate(subject: Subject, conversation_ids: Sequence[str], at_once: int) -> list[float]:
    """Activate these conversations; returns the seconds of each activation. Raises `NotActivated`."""
    limit = asyncio.Semaphore(at_once)
    async with subject.service.client(at_once) as client:

        async def activate_one(conversation_id: str) -> float:
            async with limit:
                return await _activate(client, conversation_id)

        return await asyncio.gather(*(activate_one(conversation_id) for conversation_id in conversation_ids))


async def _activate(client: httpx.AsyncClient, conversation_id: str) -> float:
    begin, answer = time.perf_counter(), ""
    for _ in range(MAX_TRIES):
        response = await client.post(f"/v1/conversations/{conversation_id}/cancel")
        if response.status_code == NOTHING_RUNS:
            return time.perf_counter() - begin
        answer = f"{response.status_code} {response.text}"
        if response.status_code not in BUSY:
            break
        await asyncio.sleep(PAUSE_SECONDS)
    raise NotActivated(f"{conversation_id}: {answer}")

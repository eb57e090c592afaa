"""Many people who arrive at the same moment, each in a new conversation: right after the start, and when it has run.

Each watches the conversation's event stream and sends a message, as the page does. Then the same conversations all
send a second message at the same moment: that shows how fast they are when nothing has to start.
"""

import asyncio
import time
from collections.abc import Sequence

from benchmarks.chat import BrokenTurn, ChatClient, Sent, chats
from benchmarks.figures import MILLISECONDS, Figure, percentile
from benchmarks.settle import settle
from benchmarks.size import Size
from benchmarks.subjects import Subject

TROUBLE = (BrokenTurn, TimeoutError, OSError, asyncio.IncompleteReadError)


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """Two bursts; the first is right after the start if no other measure comes before, as in `MEASURES`."""
    begin = time.monotonic()
    figures = await _burst(subject, size.arrivals, "right after the start")
    await asyncio.sleep(max(0.0, begin + size.burst_seconds - time.monotonic()))
    await settle(subject.roots, size.settle_seconds)
    return [*figures, *await _burst(subject, size.arrivals, "later")]


async def _burst(subject: Subject, count: int, when: str) -> list[Figure]:
    async with chats(subject) as clients:
        clients += await asyncio.gather(*(ChatClient.begin(subject) for _ in range(count)))
        await asyncio.gather(*(chat.watch() for chat in clients))
        first = await _all_send(clients)
        second = await _all_send(clients)
    label = f"{count} at once, {when}"
    return [
        *_spread(f"First token of new conversations, {label}", [sent.first_token for sent in first], 50, 99),
        *_spread(f"– of the same conversations, second message, {label}", [sent.first_token for sent in second], 50),
        *_spread(f"Acknowledgement of new conversations, {label}", [sent.acknowledged for sent in first], 50, 99),
        Figure(f"Errors, {label}", "", 2 * count - len(first) - len(second)),
    ]


async def _all_send(clients: Sequence[ChatClient]) -> list[Sent]:
    """What came of the messages that did not fail."""
    return [sent for sent in await asyncio.gather(*map(_send, clients)) if sent is not None]


async def _send(chat: ChatClient) -> Sent | None:
    try:
        return await chat.send()
    except TROUBLE:
        return None


def _spread(name: str, seconds: Sequence[float], *percents: int) -> list[Figure]:
    """Nothing if all failed: then only the errors tell."""
    if not seconds:
        return []
    return [Figure(f"{name}, p{percent}", MILLISECONDS, 1000 * percentile(seconds, percent)) for percent in percents]

"""How fast one user gets answers without other load, once the conversation is active."""

from benchmarks.chat import ChatClient, Timing, chats
from benchmarks.figures import Figure, spread
from benchmarks.settle import settle
from benchmarks.size import Size
from benchmarks.subjects import Subject

WARM_UP_CONVERSATIONS = 1


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """Measure some conversations one after another; the first one only warms the service up."""
    await _measure_conversations(subject, WARM_UP_CONVERSATIONS, size)
    timings = await _measure_conversations(subject, size.single, size)
    return [
        *spread("Time to first token, 1 conversation", [timing.first_token for timing in timings]),
        *spread("Turn time, 1 conversation", [timing.whole for timing in timings]),
    ]


async def _measure_conversations(subject: Subject, conversations: int, size: Size) -> list[Timing]:
    timings: list[Timing] = []
    async with chats(subject) as clients:
        for _ in range(conversations):
            chat = await ChatClient.begin(subject)
            clients.append(chat)
            await chat.first_turn()
            await settle(subject.roots, size.settle_seconds)
            timings += [await chat.turn() for _ in range(size.turns)]
    return timings

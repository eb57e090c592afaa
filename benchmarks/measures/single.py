"""How fast one user is answered when there is no other, once the conversation lives."""

from benchmarks.chat import Chat, Timing, chats
from benchmarks.figures import Figure, spread
from benchmarks.settle import calm
from benchmarks.size import Size
from benchmarks.subjects import Subject

WARM_UP = 1


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """Some conversations one after another; the first only warms the service up."""
    await _converse(subject, WARM_UP, size)
    timings = await _converse(subject, size.single, size)
    return [
        *spread("Time to first token, 1 conversation", [timing.first_token for timing in timings]),
        *spread("Turn time, 1 conversation", [timing.whole for timing in timings]),
    ]


async def _converse(subject: Subject, conversations: int, size: Size) -> list[Timing]:
    timings: list[Timing] = []
    async with chats(subject) as begun:
        for _ in range(conversations):
            chat = await Chat.begin(subject)
            begun.append(chat)
            await chat.first_turn()
            await calm(subject.roots, size.calm_seconds)
            timings += [await chat.turn() for _ in range(size.turns)]
    return timings

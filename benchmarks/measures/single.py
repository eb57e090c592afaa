"""How fast one user is answered when there is no other: cold in the first turn, warm in those after it."""

from contextlib import aclosing

from benchmarks.chat import Chat
from benchmarks.figures import Figure, spread
from benchmarks.size import Size
from benchmarks.subjects import Subject

WARM_UP = 1


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """Some conversations one after another; the first only warms the service up."""
    await _converse(subject, WARM_UP, size.turns)
    cold, first_token, whole = await _converse(subject, size.single, size.turns)
    return [
        *spread("Time to first token, 1 conversation", first_token),
        *spread("Turn time, 1 conversation", whole),
        *spread("Time to first token, first turn of a conversation", cold)[:1],
    ]


async def _converse(subject: Subject, conversations: int, turns: int) -> tuple[list[float], list[float], list[float]]:
    cold, first_token, whole = [], [], []
    for _ in range(conversations):
        async with aclosing(await Chat.begin(subject.url)) as chat:
            cold.append((await chat.first_turn()).first_token)
            for _ in range(turns):
                timing = await chat.turn()
                first_token.append(timing.first_token)
                whole.append(timing.whole)
    return cold, first_token, whole

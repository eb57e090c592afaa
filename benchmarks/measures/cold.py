"""How long the first message waits that a conversation is started for: a new one, and one that had left.

A dedicated conversation takes a process that Ray has started ahead of need, if there is one. So each start waits for
calm, in which Ray refills its pool; what starts take that come in a row, without a warm worker, stands beside it.
"""

from collections.abc import Awaitable, Callable

from benchmarks.chat import Chat, chats
from benchmarks.figures import Figure, spread
from benchmarks.logs import write_idle
from benchmarks.settle import calm
from benchmarks.size import Size
from benchmarks.subjects import Subject

Begin = Callable[[Subject], Awaitable[Chat]]
Start = Callable[[Chat], Awaitable[float]]


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """From the request to the acknowledgement, and to the first token of the answer."""
    shared = subject.placement == "shared"
    count, patience = (size.shared_starts, 0.0) if shared else (size.dedicated_starts, size.calm_seconds)
    await _starts(subject, Chat.begin, _to_first_token, 1, 0.0)  # starts a host, and the replica's way to it
    acknowledged = await _starts(subject, Chat.begin, _to_acknowledgement, count, patience)
    new = await _starts(subject, Chat.begin, _to_first_token, count, patience)
    left = await _starts(subject, _left, _to_first_token, count, patience)
    figures = [
        *spread("Cold start to the acknowledgement", acknowledged),
        *spread("Cold start to the first token", new),
        *spread("Revival to the first token", left),
    ]
    if not shared:
        in_a_row = await _in_a_row(subject, count)
        figures += spread("Cold start to the first token, one after another", in_a_row)
    return figures


async def _starts(subject: Subject, begin: Begin, start: Start, count: int, patience: float) -> list[float]:
    seconds: list[float] = []
    for _ in range(count):
        async with chats(subject) as begun:
            await calm(subject.roots, patience)
            begun.append(await begin(subject))
            seconds.append(await start(begun[0]))
    return seconds


async def _in_a_row(subject: Subject, count: int) -> list[float]:
    """All of them stay, so that the pool of warm workers runs dry."""
    async with chats(subject) as begun:
        for _ in range(count):
            begun.append(await Chat.begin(subject))
            await _to_first_token(begun[-1])
        more = [await Chat.begin(subject) for _ in range(count)]
        begun += more
        return [await _to_first_token(chat) for chat in more]


async def _left(subject: Subject) -> Chat:
    """A conversation of 20 events that lives nowhere."""
    return Chat(subject, (await write_idle(subject, 1))[0])


async def _to_acknowledgement(chat: Chat) -> float:
    return await chat.accepted()


async def _to_first_token(chat: Chat) -> float:
    return (await chat.first_turn()).first_token

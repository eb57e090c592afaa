"""Cold starts: how long a message takes that activates its conversation, a new one or one that was inactive.

A dedicated conversation takes a warm worker, which Ray has started in advance, if there is one. So each start waits
until Ray has refilled its pool. Starts one after another, without a warm worker, are measured separately.
"""

from collections.abc import Awaitable, Callable

from benchmarks.chat import ChatClient, chats
from benchmarks.figures import Figure, spread
from benchmarks.logs import write_idle
from benchmarks.settle import settle
from benchmarks.size import Size
from benchmarks.subjects import Subject

MakeClient = Callable[[Subject], Awaitable[ChatClient]]
Start = Callable[[ChatClient], Awaitable[float]]


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """The time from the request to the acknowledgement, and to the first token of the answer."""
    shared = subject.placement == "shared"
    count, max_seconds = (size.shared_starts, 0.0) if shared else (size.dedicated_starts, size.settle_seconds)
    # The first start also starts a host, and connects the replica to it.
    await _time_starts(subject, ChatClient.begin, _to_first_token, 1, 0.0)
    acknowledged = await _time_starts(subject, ChatClient.begin, _to_acknowledgement, count, max_seconds)
    new = await _time_starts(subject, ChatClient.begin, _to_first_token, count, max_seconds)
    inactive = await _time_starts(subject, _inactive, _to_first_token, count, max_seconds)
    figures = [
        *spread("Cold start to the acknowledgement", acknowledged),
        *spread("Cold start to the first token", new),
        *spread("Activation to the first token", inactive),
    ]
    if not shared:
        in_a_row = await _time_starts_in_a_row(subject, count)
        figures += spread("Cold start to the first token, one after another", in_a_row)
    return figures


async def _time_starts(
    subject: Subject, make_client: MakeClient, start: Start, count: int, max_seconds: float
) -> list[float]:
    seconds: list[float] = []
    for _ in range(count):
        async with chats(subject) as clients:
            await settle(subject.roots, max_seconds)
            clients.append(await make_client(subject))
            seconds.append(await start(clients[0]))
    return seconds


async def _time_starts_in_a_row(subject: Subject, count: int) -> list[float]:
    """Starts without a warm worker: the conversations stay active, so that the pool becomes empty."""
    async with chats(subject) as clients:
        for _ in range(count):
            clients.append(await ChatClient.begin(subject))
            await _to_first_token(clients[-1])
        more = [await ChatClient.begin(subject) for _ in range(count)]
        clients += more
        return [await _to_first_token(chat) for chat in more]


async def _inactive(subject: Subject) -> ChatClient:
    """A client of an inactive conversation of 20 events."""
    return ChatClient(subject, (await write_idle(subject, 1))[0])


async def _to_acknowledgement(chat: ChatClient) -> float:
    return await chat.acknowledge()


async def _to_first_token(chat: ChatClient) -> float:
    return (await chat.first_turn()).first_token

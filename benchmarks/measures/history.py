"""Whether a long history makes a turn or an activation slower; the agent compacts, so the requests do not grow."""

from benchmarks.activation import activate
from benchmarks.chat import ChatClient, chats
from benchmarks.figures import MILLISECONDS, Figure, percentile
from benchmarks.logs import write_long
from benchmarks.process_stats import cpu_seconds, growth
from benchmarks.settle import settle
from benchmarks.size import Size
from benchmarks.subjects import Subject


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """Measure several histories of each length; the first one only warms the service up."""
    figures: list[Figure] = []
    for messages in size.histories:
        await _warm_up(subject, messages)
        figures += await _measure_length(subject, messages, size)
    return figures


async def _warm_up(subject: Subject, messages: int) -> None:
    async with chats(subject) as clients:
        clients.append(ChatClient(subject, await write_long(subject, messages)))
        await clients[0].first_turn()


async def _measure_length(subject: Subject, messages: int, size: Size) -> list[Figure]:
    history = f"{messages:,} messages of history"
    async with chats(subject) as clients:
        for _ in range(size.long_conversations):
            clients.append(ChatClient(subject, await write_long(subject, messages)))
        await settle(subject.roots, size.settle_seconds)
        activations = [seconds for chat in clients for seconds in await activate(subject, [chat.id], 1)]
        before = cpu_seconds(subject.roots)
        timings = [await chat.turn() for chat in clients for _ in range(size.turns)]
        used = sum(growth(before, cpu_seconds(subject.roots)).values())
    return [
        Figure(f"Activation, {history}, p50", MILLISECONDS, 1000 * percentile(activations, 50)),
        Figure(
            f"Time to first token, {history}, p50",
            MILLISECONDS,
            1000 * percentile([timing.first_token for timing in timings], 50),
        ),
        Figure(f"Server CPU per turn, {history}", MILLISECONDS, 1000 * used / len(timings)),
    ]

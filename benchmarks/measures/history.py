"""Whether a long history makes a turn or a revival dearer; the agent compacts, so that the model is not told more."""

from benchmarks.activation import wake
from benchmarks.chat import Chat, chats
from benchmarks.figures import MILLISECONDS, Figure, percentile
from benchmarks.logs import write_long
from benchmarks.process_stats import cpu_seconds, growth
from benchmarks.settle import calm
from benchmarks.size import Size
from benchmarks.subjects import Subject


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """The first of several histories of each length is revived and talked to only to warm the service up."""
    figures: list[Figure] = []
    for messages in size.histories:
        await _warm_up(subject, messages)
        figures += await _length(subject, messages, size)
    return figures


async def _warm_up(subject: Subject, messages: int) -> None:
    async with chats(subject) as begun:
        begun.append(Chat(subject, await write_long(subject, messages)))
        await begun[0].first_turn()


async def _length(subject: Subject, messages: int, size: Size) -> list[Figure]:
    history = f"{messages:,} messages of history"
    async with chats(subject) as begun:
        for _ in range(size.long_conversations):
            begun.append(Chat(subject, await write_long(subject, messages)))
        await calm(subject.roots, size.calm_seconds)
        revivals = [seconds for chat in begun for seconds in await wake(subject, [chat.id], 1)]
        before = cpu_seconds(subject.roots)
        timings = [await chat.turn() for chat in begun for _ in range(size.turns)]
        used = sum(growth(before, cpu_seconds(subject.roots)).values())
    return [
        Figure(f"Revival, {history}, p50", MILLISECONDS, 1000 * percentile(revivals, 50)),
        Figure(
            f"Time to first token, {history}, p50",
            MILLISECONDS,
            1000 * percentile([timing.first_token for timing in timings], 50),
        ),
        Figure(f"Server CPU per turn, {history}", MILLISECONDS, 1000 * used / len(timings)),
    ]

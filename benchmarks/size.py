"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The numbers that the measures take; the name of a figure says which of them it depends on."""

    rounds: int = 3
    settle_seconds: float = 20.0
    rest_seconds: float = 5.0
    single: int = 4
    turns: int = 16
    conversations: int = 50
    paced: tuple[int, ...] = (100, 200)
    paced_turns: int = 4
    shared_starts: int = 40
    dedicated_starts: int = 8
    host_kills: int = 10
    actor_kills: int = 10
    turns_per_kill: int = 10
    histories: tuple[int, ...] = (10, 100, 1_000, 10_000)
    long_conversations: int = 5
    living: tuple[int, ...] = (1_000, 10_000)
    raylets: tuple[int, ...] = (1, 2, 4)
    arrivals: int = 50
    burst_seconds: float = 60.0
    rows: int = 2_000
    batch_concurrency: int = 64
    people_seconds: float = 30.0


QUICK = Size(
    rounds=1,
    settle_seconds=0.0,
    rest_seconds=0.5,
    single=1,
    turns=2,
    conversations=2,
    paced=(2,),
    paced_turns=1,
    shared_starts=1,
    dedicated_starts=1,
    host_kills=1,
    actor_kills=1,
    turns_per_kill=2,
    histories=(100,),
    long_conversations=1,
    living=(2, 4),
    raylets=(1, 2),
    arrivals=3,
    burst_seconds=0.0,
    rows=4,
    people_seconds=0.0,
)

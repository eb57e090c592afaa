"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """`single` conversations one after another, then `conversations` at once, each of so many `turns`."""

    conversations: int = 50
    turns: int = 20
    single: int = 5
    tokens: int = 50
    rest_seconds: float = 5.0


QUICK = Size(conversations=2, turns=2, single=1, rest_seconds=0.5)

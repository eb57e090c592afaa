"""At which size of the context each kind of compaction begins."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """In tokens; the defaults are for a model that reads 200,000.

    Over `stub` the content of old tool results is left out, over `window` the oldest turns are: both cost nothing.
    Over `summary` the oldest turns are put into words. `working_set` bounds what is kept behind the last summary
    with nothing left out, and so what a conversation costs when it is taken up again.
    """

    stub: int = 60_000
    summary: int = 100_000
    window: int = 150_000
    working_set: int = 300_000

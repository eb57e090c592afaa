"""A make-believe fleet, so that the operator has something to operate: put your own services in its place."""

from collections.abc import Iterator
from typing import Literal

ServiceName = Literal["api", "worker", "database"]

ERRORS = {"api": 41, "worker": 2, "database": 0}
REPLICAS = {"api": 2, "worker": 4, "database": 1}
CAUSES = ("connection reset by peer", "deadline exceeded", "out of memory")


def status(service: ServiceName) -> dict[str, object]:
    """The present state of the service."""
    errors = ERRORS[service]
    health = "failing" if errors > 10 else "degraded" if errors else "healthy"
    return {"service": service, "health": health, "replicas": REPLICAS[service], "errors_per_minute": errors}


def log_lines(service: ServiceName, count: int) -> Iterator[str]:
    """The last lines of its log, the same ones each time."""
    rarity = 1000 // (ERRORS[service] + 1)
    for number in range(count):
        failed = number % rarity == 0 and ERRORS[service] > 0
        yield f"{number} error {CAUSES[number // rarity % len(CAUSES)]}" if failed else f"{number} ok"

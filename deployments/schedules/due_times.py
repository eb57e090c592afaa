"""When a schedule is due: by a cron expression in a time zone, or at an interval that does not drift.

All times are milliseconds since 1970, so that a clock that is set back, or a zone that changes its offset, makes none
ambiguous. A cron expression is read as Debian's cron does at a change to or from daylight-saving time: what names its
hours runs once a day, right after the hour that is left out, and the first time in the hour that comes twice; what
runs each hour or more often follows the clock, and so does an expression with seconds.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

MIN_INTERVAL_MS: Final = 1_000
ZONE: Final = re.compile(r"[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,3}")
"""No path of a file: that would tell what is on this machine."""
MAX_YEAR: Final = 9_000
"""Expressions that are due no sooner are due never: datetimes end there."""
ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class BadSchedule(ValueError):
    """An expression, a zone or an interval that means no time: the sentence is for the person who wrote it."""


@dataclass(frozen=True, slots=True)
class Cron:
    """Five or six fields (seconds first), or an alias such as `@daily`; `zone` is an IANA name."""

    expression: str
    zone: str = "UTC"

    def __post_init__(self) -> None:
        """Raises BadSchedule."""
        next_of_cron(self, 0)


@dataclass(frozen=True, slots=True)
class Interval:
    """Every `every` ms, counted from `anchor` (ms): late runs move none of the later ones."""

    every: int
    anchor: int = 0

    def __post_init__(self) -> None:
        """Raises BadSchedule."""
        if self.every < MIN_INTERVAL_MS:
            raise BadSchedule("an interval is a second at least")


Timing = Cron | Interval


@dataclass(frozen=True, slots=True)
class Bounds:
    """Nothing is due before `start` or after `end` (ms)."""

    start: int | None = None
    end: int | None = None


UNBOUNDED: Final = Bounds()


def next_due(timing: Timing, after: int, bounds: Bounds = UNBOUNDED) -> int | None:
    """The first time after `after` at which the schedule is due; None if there is none."""
    if bounds.start is not None:
        after = max(after, bounds.start - 1)
    due = next_of_cron(timing, after) if isinstance(timing, Cron) else _next_of_interval(timing, after)
    return None if due is None or (bounds.end is not None and due > bounds.end) else due


def due_between(timing: Timing, after: int, until: int, bounds: Bounds = UNBOUNDED) -> Iterator[int]:
    """The times after `after`, up to and with `until`, in their order."""
    due = next_due(timing, after, bounds)
    while due is not None and due <= until:
        yield due
        due = next_due(timing, due, bounds)


def next_of_cron(cron: Cron, after: int) -> int | None:
    """The first time after `after` (ms) that the expression names. Raises BadSchedule."""
    zone = _zone(cron.zone)
    text = cron.expression.strip()
    if text.startswith("@") and text.lower() not in ALIASES:
        raise BadSchedule(f"{text} is none of {', '.join(ALIASES)}")
    try:
        # It looks for times after whole seconds, so one within a second counts as that second.
        times = CronSim(ALIASES.get(text.lower(), text), datetime.fromtimestamp(after // 1000, zone))
        found = next(times)
    except (StopIteration, OverflowError):
        return None
    except CronSimError as error:
        raise BadSchedule(f"{text!r} is no cron expression: {_plain(str(error))}") from error
    return None if found.year > MAX_YEAR else round(found.timestamp()) * 1000


def _next_of_interval(interval: Interval, after: int) -> int:
    return interval.anchor + ((after - interval.anchor) // interval.every + 1) * interval.every


def _zone(name: str) -> ZoneInfo:
    if not ZONE.fullmatch(name):
        raise BadSchedule(f"{name[:64]!r} is no name of a time zone")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise BadSchedule(f"there is no time zone {name!r}") from error


def _plain(error: str) -> str:
    return error[:1].lower() + error[1:]


def as_utc(at: int) -> str:
    """The time for people, such as `2026-03-29T01:00:00Z`."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

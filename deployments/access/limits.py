"""What a principal or a tenant may use: the kinds of limits, how they are written, and what one gets beyond them."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, get_args

from limits import RateLimitItem, parse

from store.principals import tenant_of
from store.registries.limits import Values
from store.registries.usage import day_of, end_of_day, person_scope, tenant_scope

Kind = Literal["requests", "bytes", "turns", "streams", "tokens", "cost"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
RATES: Final[tuple[Kind, ...]] = ("requests", "bytes")
WORDS: Final[Mapping[Kind, str]] = {
    "requests": "requests, {}",
    "bytes": "bytes of requests, {}",
    "turns": "{} turns at once",
    "streams": "{} open streams at once",
    "tokens": "{} tokens a day",
    "cost": "${} a day",
}
RATE: Final = re.compile(r"[0-9]{1,15} ?(?:/|per) ?(?:[1-9][0-9]{0,3} ?)?(?:second|minute|hour|day)s?")
MAX_AMOUNT: Final = 10**15
MILLIONTHS: Final = 1_000_000


class Subject(NamedTuple):
    """Whose limits they are: a principal's, or a tenant's, which are for all its principals together."""

    name: str
    is_tenant: bool

    def scope(self, now: int) -> str:
        """Where its use of models is counted today; `now` in ms."""
        day = day_of(now)
        return tenant_scope(self.name, day) if self.is_tenant else person_scope(self.name, day)


@dataclass(frozen=True, slots=True)
class SubjectLimits:
    """None: there is no limit.

    `requests` and `bytes` (of bodies) are in a window of time, `turns` and `streams` at once, `tokens` and `cost`
    (millionths of a US dollar) on a day in UTC.
    """

    subject: Subject
    requests: RateLimitItem | None = None
    bytes: RateLimitItem | None = None
    turns: int | None = None
    streams: int | None = None
    tokens: int | None = None
    cost: int | None = None

    @property
    def bounds_spending(self) -> bool:
        return self.tokens is not None or self.cost is not None

    def shown(self) -> dict[str, str | int | None]:
        """As JSON."""
        values = {kind: getattr(self, kind) for kind in KINDS}
        return {kind: rate_text(value) if kind in RATES and value else value for kind, value in values.items()}


class LimitReached(Exception):
    """`limit` is its kind, `subject` whose it is, `value` how much it is; it is over at `resets_at` (ms), if known."""

    def __init__(self, limit: Kind, subject: str, value: str | int, resets_at: int | None = None) -> None:
        super().__init__(limit, subject, value, resets_at)
        self.limit = limit
        self.subject = subject
        self.value = value
        self.resets_at = resets_at

    def __str__(self) -> str:
        amount = f"{int(self.value) / MILLIONTHS:,.2f}" if self.limit == "cost" else str(self.value)
        return f"The limit of {self.subject} is reached: {WORDS[self.limit].format(amount)}."

    @property
    def members(self) -> dict[str, Any]:
        """For programs."""
        return {"limit": self.limit, "subject": self.subject, "value": self.value, "resets_at": self.resets_at}


def seconds_until(resets_at: int, now: int) -> int:
    """For `Retry-After`; both in ms."""
    return max(1, math.ceil((resets_at - now) / 1000))


def reached_today(kind: Literal["tokens", "cost"], subject: str, value: int, now: int) -> LimitReached:
    """It is over at the end of the day, unless nothing may be used on any."""
    return LimitReached(kind, subject, value, end_of_day(now) if value else None)


def make_limits(subject: Subject, default: Values, values: Values) -> SubjectLimits:
    """What is set for the subject in `values`, and else the default."""
    joined: dict[str, Any] = {**default, **values}
    known: dict[str, Any] = {kind: joined.get(kind) for kind in KINDS}
    for kind in RATES:
        known[kind] = parse(known[kind]) if known[kind] else None
    return SubjectLimits(subject, **known)


def parse_limits(text: str) -> dict[str, str | int | None]:
    """Limits as a setting names them: `requests=20/second, turns=5, cost=2.50`; cost in dollars. Raises ValueError."""
    values: dict[str, str | int | None] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, equals, value = (word.strip() for word in part.partition("="))
        if not equals or kind not in KINDS or kind in values:
            raise ValueError(f"each is one of {', '.join(KINDS)} with its value, not {part!r}")
        values[kind] = parse_value(kind, value)
    return values


def parse_value(kind: str, value: str) -> str | int | None:
    """One of them; `none`: there is no limit. Raises ValueError."""
    if value == "none":
        return None
    if kind in RATES:
        try:
            return check_rate(value)
        except ValueError as error:
            raise ValueError(f"{kind}: {error}") from error
    if kind == "cost":
        if not re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,6})?", value):
            raise ValueError(f"cost is in dollars a day, such as 2.50, not {value!r}")
        return round(float(value) * MILLIONTHS)
    if not re.fullmatch(r"[0-9]{1,15}", value):
        raise ValueError(f"{kind} is a whole number, not {value!r}")
    return int(value)


def check_rate(text: str) -> str:
    """The rate itself. Raises ValueError."""
    if not RATE.fullmatch(text) or parse(text).get_expiry() > 86_400:
        raise ValueError(f"a rate is such as 20/second or 100 per 5 minutes, in a day at most, not {text!r}")
    return text


def rate_text(rate: RateLimitItem) -> str:
    """As `parse` reads it."""
    every = "" if rate.multiples == 1 else f"{rate.multiples} "
    return f"{rate.amount}/{every}{rate.GRANULARITY.name}{'' if rate.multiples == 1 else 's'}"


def subjects_of(principal: str) -> tuple[Subject, ...]:
    """Whose limits hold for a principal: its own, and its tenant's if it has one."""
    own, tenant = Subject(principal, is_tenant=False), tenant_of(principal)
    return (own,) if tenant is None else (own, Subject(tenant, is_tenant=True))

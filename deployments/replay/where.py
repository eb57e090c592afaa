"""The words that choose past conversations: `agent=assistant since=7d`, as a query of the lists."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from deployments.indexes.query import ListQuery

MAX_CONVERSATIONS: Final = 10_000
"""Of one replay."""
UNITS_MS: Final[Mapping[str, int]] = {
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
}
AGO: Final = re.compile(r"(\d{1,6})([smhdw])")
MILLISECONDS: Final = re.compile(r"\d{9,15}")
TIMES: Final[Mapping[str, str]] = {
    "since": "updated_since",
    "until": "updated_until",
    "created_since": "created_since",
    "created_until": "created_until",
}
SEVERAL: Final = frozenset({"agent", "channel", "project", "state"})
SINGLE: Final = frozenset({"owner", "member", "text", "text_in", "archived", "whose", "tenant"})


class WhereInvalid(ValueError):
    """The words choose nothing that can be understood. The sentence is shown to people."""


@dataclass(frozen=True, slots=True)
class Where:
    """A query for the newest conversations, and how many of them at most; or the conversations `ids`."""

    query: ListQuery
    limit: int = MAX_CONVERSATIONS
    ids: tuple[str, ...] = ()


def parse_where(words: str, now: int) -> Where:
    """`name=value`, separated by white space, quoted as in a shell; a repeated name means any of its values.

    Names: agent, channel, project, state, owner, member, text, archived, whose, tenant as in `GET /v1/conversations`;
    id; limit; and since, until (of the last activity), created_since, created_until: `7d` ago (s, m, h, d, w), a
    date or time in ISO 8601 (UTC unless it says otherwise), or milliseconds since 1970. Raises WhereInvalid.
    """
    fields: dict[str, Any] = {}
    limit, ids = MAX_CONVERSATIONS, list[str]()
    for name, value in _pairs(words):
        if name in TIMES:
            fields[TIMES[name]] = time_of(value, now)
        elif name in SEVERAL:
            fields.setdefault(name, []).extend(value.split(","))
        elif name in SINGLE:
            fields[name] = value
        elif name == "id":
            ids.extend(value.split(","))
        elif name == "limit":
            limit = _limit_of(value)
        else:
            known = ", ".join(sorted({*TIMES, *SEVERAL, *SINGLE, "id", "limit"}))
            raise WhereInvalid(f"there is no {name} to choose by; there are: {known}")
    try:
        query = ListQuery(**fields, limit=200)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise WhereInvalid(f"{'.'.join(map(str, first['loc'][:1]))}: {first['msg']}") from None
    return Where(query, limit, tuple(dict.fromkeys(ids)))


def time_of(word: str, now: int) -> int:
    """Milliseconds since 1970. Raises WhereInvalid."""
    if ago := AGO.fullmatch(word):
        return max(now - int(ago[1]) * UNITS_MS[ago[2]], 0)
    if MILLISECONDS.fullmatch(word):
        return int(word)
    try:
        found = datetime.fromisoformat(word)
    except ValueError:
        raise WhereInvalid(f"{word} is no time: write 7d, 12h, 2026-11-30, or milliseconds since 1970") from None
    at = round((found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp() * 1000)
    if at < 0:
        raise WhereInvalid(f"{word} is before 1970")
    return at


def _pairs(words: str) -> list[tuple[str, str]]:
    try:
        parts = shlex.split(words)
    except ValueError:
        raise WhereInvalid("a quotation mark has no counterpart") from None
    pairs = [part.partition("=") for part in parts]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise WhereInvalid(f"{name or value or '='} is not name=value")
    return [(name, value) for name, _, value in pairs]


def _limit_of(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= MAX_CONVERSATIONS:
        raise WhereInvalid(f"limit is a number from 1 to {MAX_CONVERSATIONS}")
    return int(value)

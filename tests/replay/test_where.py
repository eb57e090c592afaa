"""The words that choose conversations."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.replay.where import MAX_CONVERSATIONS, WhereInvalid, parse_where, time_of

NOW = 1_800_000_000_000
DAY = 86_400_000


def test_words_become_a_query_of_the_lists() -> None:
    where = parse_where("agent=assistant agent=clerk,scout since=7d text='two words' archived=any limit=3", NOW)
    assert where.query.agent == ["assistant", "clerk", "scout"]
    assert (where.query.updated_since, where.query.text, where.query.archived) == (NOW - 7 * DAY, "two words", "any")
    assert (where.limit, where.ids) == (3, ())
    assert parse_where("id=a,b id=a", NOW).ids == ("a", "b")
    assert parse_where("until=2026-11-30", NOW).limit == MAX_CONVERSATIONS


@pytest.mark.parametrize(
    ("word", "at"),
    [
        ("0s", NOW),
        ("90s", NOW - 90_000),
        ("30m", NOW - 1_800_000),
        ("12h", NOW - DAY // 2),
        ("2w", NOW - 14 * DAY),
        ("999999w", 0),
        ("1700000000000", 1_700_000_000_000),
        ("2026-11-30", 1_795_996_800_000),
        ("2026-11-30T12:00", 1_796_040_000_000),
        ("2026-11-30T12:00:00+02:00", 1_796_032_800_000),
    ],
)
def test_times(word: str, at: int) -> None:
    assert time_of(word, NOW) == at


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("agent", "agent is not name=value"),
        ("agent=", "agent is not name=value"),
        ("=x", "x is not name=value"),
        ("colour=red", "there is no colour to choose by"),
        ("since=yesterday", "yesterday is no time"),
        ("since=7y", "7y is no time"),
        ("since=1969-01-01", "before 1970"),
        ("state=asleep", "state: "),
        ("whose=none", "whose: "),
        ("limit=0", "limit is a number"),
        ("limit=²", "limit is a number"),
        ("limit=1000000", "limit is a number"),
        ("text='half", "quotation mark"),
    ],
)
def test_what_cannot_be_understood_is_said(words: str, problem: str) -> None:
    with pytest.raises(WhereInvalid, match=problem):
        parse_where(words, NOW)


@given(st.text(max_size=60))
def test_any_words_are_understood_or_refused(words: str) -> None:
    with suppress(WhereInvalid):
        assert parse_where(words, NOW).limit >= 1

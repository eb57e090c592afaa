"""When schedules are due: over years of clock changes, leap days and odd zones; and beside a second implementation."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.schedules.due_times import BadSchedule, Bounds, Cron, Interval, as_utc, due_between, next_due

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
HOUR = 3_600_000
DAY = 24 * HOUR
NAMED_HOURS = ("30 2 * * *", "0 0 * * *", "15 1 * * *", "45 23 * * *", "0 3 * * 1")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def due(timing: Cron | Interval, since: str, count: int) -> list[str]:
    found = due_between(timing, ms(since), 2**53)
    return [as_utc(at) for at in islice(found, count)]


def test_the_hour_that_is_left_out_runs_right_after_it() -> None:
    berlin = Cron("30 2 * * *", "Europe/Berlin")

    assert due(berlin, "2026-03-28T00:00:00Z", 3) == [
        "2026-03-28T01:30:00Z",
        "2026-03-29T01:00:00Z",
        "2026-03-30T00:30:00Z",
    ]


def test_the_hour_that_comes_twice_runs_once() -> None:
    berlin = Cron("30 2 * * *", "Europe/Berlin")

    assert due(berlin, "2026-10-24T12:00:00Z", 2) == ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]


def test_what_runs_each_hour_follows_the_clock() -> None:
    berlin = Cron("30 * * * *", "Europe/Berlin")

    assert due(berlin, "2026-10-24T23:45:00Z", 4) == [
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T02:30:00Z",
        "2026-10-25T03:30:00Z",
    ]


def test_a_shift_of_half_an_hour() -> None:
    lord_howe = Cron("15 2 * * *", "Australia/Lord_Howe")

    assert due(lord_howe, "2026-10-03T00:00:00Z", 2) == ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]
    assert due(lord_howe, "2026-04-03T12:00:00Z", 3) == [
        "2026-04-03T15:15:00Z",
        "2026-04-04T15:45:00Z",
        "2026-04-05T15:45:00Z",
    ]


def test_a_leap_day() -> None:
    assert due(Cron("0 12 29 2 *"), "2026-01-01T00:00:00Z", 3) == [
        "2028-02-29T12:00:00Z",
        "2032-02-29T12:00:00Z",
        "2036-02-29T12:00:00Z",
    ]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("expression", NAMED_HOURS)
def test_what_names_its_hour_runs_once_on_each_of_its_days(zone: str, expression: str) -> None:
    place = ZoneInfo(zone)
    times = list(due_between(Cron(expression, zone), ms("2024-01-01T12:00:00Z"), ms("2029-01-01T12:00:00Z")))
    days = [datetime.fromtimestamp(at / 1000, place).date() for at in times]

    assert sorted(set(days)) == days
    step = timedelta(days=7 if expression.endswith("1") else 1)
    assert all(later - earlier == step for earlier, later in pairwise(days))


FIELDS = st.tuples(
    st.one_of(st.integers(0, 59).map(str), st.sampled_from(("*", "*/5", "7-40/3", "1,2,59"))),
    st.one_of(st.integers(0, 23).map(str), st.sampled_from(("*", "*/6", "8-18", "0,12"))),
    st.one_of(st.integers(1, 28).map(str), st.sampled_from(("*", "1-7", "31"))),
    st.one_of(st.integers(1, 12).map(str), st.sampled_from(("*", "1,6,12"))),
    st.sampled_from(("*", "1", "MON-FRI", "0")),
)
START, END = int(ms("2020-01-01T00:00:00Z")), int(ms("2032-01-01T00:00:00Z"))


@settings(max_examples=150, deadline=None)
@given(FIELDS, st.integers(START // 60_000, END // 60_000))
def test_a_second_implementation_says_the_same(fields: tuple[str, ...], minute: int) -> None:
    expression, since = " ".join(fields), minute * 60_000
    try:
        timing = Cron(expression)
    except BadSchedule:  # such as the 31st of June
        return
    both_named = fields[2] != "*" and fields[4] != "*"  # there, the two differ in what a star in a field means
    if both_named:
        return
    other = croniter(expression, datetime.fromtimestamp(since / 1000, UTC), ret_type=datetime)

    expected = [as_utc(round(other.get_next().timestamp() * 1000)) for _ in range(4)]

    assert [as_utc(at) for at in islice(due_between(timing, since, 2**53), 4)] == expected


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ZONES), FIELDS, st.integers(START, END), st.integers(0, 10 * DAY))
def test_times_only_go_forward(zone: str, fields: tuple[str, ...], since: int, step: int) -> None:
    try:
        timing = Cron(" ".join(fields), zone)
    except BadSchedule:
        return
    first = next_due(timing, since)
    later = next_due(timing, since + step)

    assert first is None or first > since
    assert first is None or later is None or later >= first
    if first is not None:  # looking from any moment before it finds the same
        assert next_due(timing, max(since, first - 1)) == first


@given(st.integers(1_000, 10**9), st.integers(0, 2**41), st.integers(0, 2**42))
def test_an_interval_does_not_drift(every: int, anchor: int, after: int) -> None:
    at = next_due(Interval(every, anchor), after)

    assert at is not None
    assert after < at <= after + every
    assert (at - anchor) % every == 0


def test_nothing_is_due_outside_the_bounds() -> None:
    bounds = Bounds(start=ms("2026-06-01T00:00:00Z"), end=ms("2026-06-02T00:00:00Z"))
    found = list(due_between(Cron("@daily"), 0, 2**53, bounds))

    assert [as_utc(at) for at in found] == ["2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z"]


def test_six_fields_begin_with_seconds() -> None:
    assert due(Cron("*/20 0 0 * * *"), "2026-01-01T00:00:00Z", 3) == [
        "2026-01-01T00:00:20Z",
        "2026-01-01T00:00:40Z",
        "2026-01-02T00:00:00Z",
    ]


@pytest.mark.parametrize(
    ("expression", "zone", "sentence"),
    [
        ("* * *", "UTC", "'* * *' is no cron expression: wrong number of fields"),
        ("61 * * * *", "UTC", "'61 * * * *' is no cron expression: bad minute"),
        ("@never", "UTC", "@never is none of @yearly"),
        ("0 0 30 2 *", "UTC", "bad day-of-month"),
        ("* * * * *", "Mars/Olympus", "there is no time zone 'Mars/Olympus'"),
        ("* * * * *", "../../etc/passwd", "is no name of a time zone"),
        ("* * * * *", "", "is no name of a time zone"),
        ("x" * 10_000, "UTC", "wrong number of fields"),
    ],
)
def test_what_means_no_time_is_refused(expression: str, zone: str, sentence: str) -> None:
    with pytest.raises(BadSchedule) as refused:
        Cron(expression, zone)
    assert sentence in str(refused.value)


def test_an_interval_below_a_second_is_refused() -> None:
    with pytest.raises(BadSchedule, match="an interval is a second at least"):
        Interval(999)

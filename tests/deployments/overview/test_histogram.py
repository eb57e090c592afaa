"""Quantiles of durations that many processes have counted: as if one had, and as exact as is said."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.overview.histogram import MAX_BUCKET, MAX_ERROR, PER_OCTAVE, bucket_of, quantile

DURATIONS = st.floats(min_value=1, max_value=2**22, allow_nan=False)
SHARES = st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.99, 1.0])


def nearest_rank(durations: list[float], share: float) -> float:
    """The quantile by its definition."""
    return sorted(durations)[max(1, math.ceil(share * len(durations))) - 1]


@given(durations=st.lists(DURATIONS, min_size=1, max_size=200), share=SHARES)
def test_a_quantile_is_as_exact_as_it_says(durations: list[float], share: float) -> None:
    found = quantile(Counter(map(bucket_of, durations)), share)
    assert found == pytest.approx(nearest_rank(durations, share), rel=MAX_ERROR * (1 + 1e-9))


@given(parts=st.lists(st.lists(DURATIONS, max_size=30), min_size=1, max_size=10), share=SHARES)
def test_many_processes_count_as_one_would(parts: list[list[float]], share: float) -> None:
    merged: Counter[int] = Counter()
    for part in parts:
        merged.update(Counter(map(bucket_of, part)))
    assert merged == Counter(bucket_of(duration) for part in parts for duration in part)


@given(duration=DURATIONS)
def test_a_bucket_has_what_is_within_its_bounds(duration: float) -> None:
    bucket = bucket_of(duration)
    upper = 2 ** (bucket / PER_OCTAVE)
    assert duration <= upper * (1 + 1e-12)
    if bucket > 1:
        assert duration > 2 ** ((bucket - 1) / PER_OCTAVE) * (1 - 1e-12)


@pytest.mark.parametrize(("duration", "bucket"), [(-5, 0), (0, 0), (1, 0), (2, 8), (2.01, 9), (1e12, MAX_BUCKET)])
def test_what_is_out_of_bounds_is_counted_at_the_edge(duration: float, bucket: int) -> None:
    assert bucket_of(duration) == bucket


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile({}, 0.5) is None
    assert quantile({3: 0}, 0.5) is None
    assert quantile({0: 1}, 0.5) == 1
    assert quantile({MAX_BUCKET: 2}, 0.99) == 2**22

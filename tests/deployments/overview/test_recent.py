"""The figures of the last minutes: kept within bounds, forgotten in time, and added up over all hosts."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from deployments.overview.histogram import MAX_BUCKET, bucket_of
from deployments.overview.recent import SLOT_MS, SLOTS, MergedFigures, RecentFigures, total

NOW = 1_000 * SLOTS * SLOT_MS
NOTES = st.tuples(
    st.integers(0, 2),  # the host
    st.integers(0, 2 * SLOTS * SLOT_MS),  # when
    st.sampled_from(["completed", "failed", "cancelled"]),
    st.integers(0, 10**8),
    st.integers(0, 10**6),
)


class Clock:
    """Says what it is set to."""

    now = NOW

    def __call__(self) -> int:
        return self.now


@given(notes=st.lists(NOTES, max_size=60))
def test_what_all_hosts_report_is_what_happened_lately(notes: list[tuple[int, int, str, int, int]]) -> None:
    clock = Clock()
    hosts = [RecentFigures(clock) for _ in range(3)]
    for host, at, outcome, duration, tokens in sorted(notes, key=lambda note: note[1]):
        clock.now = NOW + at
        hosts[host].note_turn(outcome, duration / 1000, waited=False)
        hosts[host].note_first_token(duration / 2000)
        hosts[host].note_usage(tokens, tokens // 3)
    clock.now = end = NOW + 2 * SLOTS * SLOT_MS
    merged = MergedFigures()
    for host in hosts:
        merged.add(host.report())

    # The slot that is not over yet has no place in the series, and the oldest one is about to be forgotten.
    recent = [note for note in notes if end - (SLOTS - 1) * SLOT_MS <= NOW + note[1] < end]
    whole = total(merged.slots(end, SLOTS - 1))
    assert whole.outcomes == Counter(outcome for _, _, outcome, _, _ in recent)
    assert whole.turn_time == Counter(bucket_of(duration / 1000 * 1000) for _, _, _, duration, _ in recent)
    assert whole.first_token == Counter(bucket_of(duration / 2000 * 1000) for _, _, _, duration, _ in recent)
    assert (whole.tokens, whole.cost) == (sum(n[4] for n in recent), sum(n[4] // 3 for n in recent))
    for began, slot in merged.slots(end):
        here = [note for note in recent if began <= NOW + note[1] < began + SLOT_MS]
        assert slot.turns == len(here) or began == end - SLOTS * SLOT_MS


def test_the_slots_are_all_there_and_the_one_under_way_is_not() -> None:
    clock = Clock()
    figures, merged = RecentFigures(clock), MergedFigures()
    clock.now = NOW + SLOT_MS - 1
    figures.note_turn("completed", 0.01, waited=False)
    clock.now += 1
    figures.note_turn("completed", 0.01, waited=False)
    merged.add(figures.report())
    slots = merged.slots(clock.now)
    assert [began for began, _ in slots] == list(range(NOW - (SLOTS - 1) * SLOT_MS, NOW + 1, SLOT_MS))
    assert [slot.turns for _, slot in slots] == [0] * (SLOTS - 1) + [1]
    assert [slot.turns for _, slot in merged.slots(clock.now + SLOT_MS, 3)] == [0, 1, 1]


@given(steps=st.lists(st.integers(-(10**9), 10**9), max_size=300))
def test_memory_is_bounded_whatever_the_clock_does(steps: list[int]) -> None:
    clock = Clock()
    figures = RecentFigures(clock)
    for step in steps:
        clock.now += step
        figures.note_turn("completed", abs(step) / 1000, waited=False)
        reported = figures.report()
        assert len(reported) <= SLOTS
        current = clock.now // SLOT_MS
        assert all(current - SLOTS < slot["number"] <= current for slot in reported)
        assert all(bucket <= MAX_BUCKET for slot in reported for bucket in slot["turn_time"])


def test_nothing_that_was_reported_changes_afterwards() -> None:
    figures = RecentFigures(Clock())
    figures.note_turn("completed", 0.01, waited=False)
    before = figures.report()
    figures.note_turn("failed", 0.01, waited=True)
    assert before[0]["outcomes"] == {"completed": 1}
    after = figures.report()
    assert after[0]["outcomes"] == {"completed": 1, "failed": 1}
    assert sum(after[0]["turn_time"].values()) == 1  # the other one has waited for people

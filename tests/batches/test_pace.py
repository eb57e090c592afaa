"""How many rows run at once: more while all goes well, half when there is too much, none while a pause lasts."""

import asyncio
from itertools import pairwise

import pytest

from deployments.batches.pace import FIRST, MAX_SPACING_SECONDS, Pace


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_it_begins_small_and_doubles_while_all_goes_well(clock: Clock) -> None:
    pace = Pace(64, clock)
    assert pace.limit == FIRST
    pace.went_well(FIRST)
    assert pace.limit == 2 * FIRST
    pace.went_well(1000)
    assert pace.limit == 64
    assert Pace(3, clock).limit == 3


def test_too_much_halves_it_once_and_then_it_rises_slowly(clock: Clock) -> None:
    pace = Pace(64, clock)
    pace.went_well(1000)
    for _ in range(10):  # they come together
        pace.slow_down()
    assert pace.limit == 32
    pace.went_well(32)
    assert 32.9 < pace.limit < 33.1
    for _ in range(20):
        clock.now += 1000
        pace.slow_down()
    assert pace.limit == 1


async def test_nothing_begins_before_retry_after(clock: Clock) -> None:
    pace = Pace(64, clock)
    pace.slow_down(0.02)
    taking = asyncio.create_task(pace.take())
    await asyncio.sleep(0)
    assert not taking.done()
    clock.now = 0.02
    await asyncio.wait_for(taking, 5)
    assert pace.taken == 1


async def test_a_place_that_is_given_back_is_taken_by_the_next(clock: Clock) -> None:
    pace = Pace(1, clock)
    await pace.take()
    waiting = asyncio.create_task(pace.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    pace.give_back()
    await asyncio.wait_for(waiting, 5)
    assert pace.taken == 1


async def test_a_stop_lets_each_that_waits_go(clock: Clock) -> None:
    pace = Pace(1, clock)
    await pace.take()
    waiting = [asyncio.create_task(pace.take()) for _ in range(3)]
    await asyncio.sleep(0)
    pace.stop()
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert pace.is_stopped


async def test_rows_begin_one_after_another_a_little_faster_than_they_end(clock: Clock) -> None:
    pace = Pace(64, clock)
    pace.went_well(64)
    clock.now = 1.0
    pace.went_well(36)  # a hundred in the first second
    began: list[float] = []
    for _ in range(20):
        taking = asyncio.create_task(pace.take())
        while True:
            await asyncio.sleep(0)
            if taking.done():
                break
            clock.now += 0.001
            pace.went_well(0)  # a row that waits looks at the clock again
        began.append(clock.now)
    gaps = [after - before for before, after in pairwise(began)]
    assert all(0.008 <= round(gap, 6) <= 0.01 for gap in gaps), gaps


async def test_rows_that_take_long_are_begun_without_long_gaps(clock: Clock) -> None:
    pace = Pace(8, clock)
    clock.now = 60.0
    pace.went_well(1)
    await pace.take()
    taking = asyncio.create_task(pace.take())
    await asyncio.sleep(0)
    assert not taking.done()
    clock.now += MAX_SPACING_SECONDS
    pace.went_well(0)
    await asyncio.wait_for(taking, 5)

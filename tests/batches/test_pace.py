"""How many rows run at once: more while all goes well, half when there is too much, none while a pause lasts."""

import asyncio

import pytest

from deployments.batches.pace import ALWAYS, FIRST, LEAST_SECONDS, LOWERED_SECONDS, MAX_DELAY_SECONDS, Pace


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


def accept(pace: Pace, clock: Clock, seconds: float, count: int = 100) -> None:
    """Hosts take so long for so many rows, one after another."""
    for _ in range(count):
        clock.now += LOWERED_SECONDS
        pace.accepted(seconds)


def test_fewer_run_while_hosts_take_longer_to_accept_them(clock: Clock) -> None:
    pace = Pace(64, clock)
    pace.went_well(1000)
    accept(pace, clock, 0.004)
    assert pace.limit == 64
    accept(pace, clock, 0.004 + MAX_DELAY_SECONDS / 2)
    assert pace.limit == 64
    accept(pace, clock, 0.005 + MAX_DELAY_SECONDS, 40)
    lowered = pace.limit
    assert ALWAYS <= lowered < 40
    pace.went_well(1000)
    assert pace.limit == lowered
    accept(pace, clock, 0.004, 40)
    pace.went_well(1000)
    assert pace.limit > lowered


def test_acceptances_that_come_together_lower_it_once(clock: Clock) -> None:
    pace = Pace(64, clock)
    pace.went_well(1000)
    pace.accepted(0.004)
    clock.now += 1
    for _ in range(50):
        pace.accepted(1.0)
    assert 57 < pace.limit < 58


def test_some_run_however_slow_hosts_are(clock: Clock) -> None:
    pace, few = Pace(64, clock), Pace(2, clock)
    for one in (pace, few):
        one.accepted(0.004)
        accept(one, clock, 5.0)
    assert (pace.limit, few.limit) == (ALWAYS, 2)


def test_a_service_that_has_become_slower_is_no_delay_for_ever(clock: Clock) -> None:
    pace = Pace(64, clock)
    pace.accepted(0.004)
    accept(pace, clock, 0.1)
    assert pace.limit < FIRST
    clock.now += 2 * LEAST_SECONDS
    accept(pace, clock, 0.1, 2 + int(LEAST_SECONDS / LOWERED_SECONDS))
    pace.went_well(1000)
    assert pace.limit > FIRST

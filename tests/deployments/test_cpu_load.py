"""A host knows whether it uses most of a core."""

import time

from deployments.host.load import CpuLoad


class Clocks:
    """Two clocks that are set by hand."""

    def __init__(self) -> None:
        self.at = self.used = 100.0

    def advance(self, seconds: float, used: float) -> None:
        self.at += seconds
        self.used += used

    def cpu_load(self) -> CpuLoad:
        return CpuLoad(lambda: self.at, lambda: self.used)


def test_it_is_busy_for_as_long_as_it_uses_most_of_a_core() -> None:
    clocks = Clocks()
    cpu_load = clocks.cpu_load()
    assert not cpu_load.is_busy()
    clocks.advance(1.0, used=0.9)
    assert cpu_load.is_busy()
    clocks.advance(1.0, used=0.5)
    assert not cpu_load.is_busy()


def test_a_call_that_comes_too_soon_says_the_same_as_the_last_one() -> None:
    clocks = Clocks()
    cpu_load = clocks.cpu_load()
    clocks.advance(0.1, used=0.1)
    assert not cpu_load.is_busy()
    clocks.advance(0.9, used=0.8)
    assert cpu_load.is_busy()
    clocks.advance(0.1, used=0.0)
    assert cpu_load.is_busy()


def test_the_real_clocks_run() -> None:
    cpu_load = CpuLoad()
    used = time.process_time()
    while time.process_time() < used + 0.05:
        sum(range(1000))
    assert cpu_load._cpu_clock() >= used + 0.05
    assert cpu_load._clock() > cpu_load._at

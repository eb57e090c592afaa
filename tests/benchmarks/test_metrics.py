"""The metrics of a turn stay within a fiftieth of its processor time."""

from benchmarks.metrics import TURN_US, measure


def test_the_metrics_of_a_turn_cost_a_fiftieth_of_it_at_most() -> None:
    assert measure(5000)["turn"] < TURN_US / 50

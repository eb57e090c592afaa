"""How many warm workers a node should have, and which of those that it was asked for it has started."""

import pytest

from deployments.background.warm_pool import START_MS, Asked, warm_workers_wanted


@pytest.mark.parametrize(
    ("fewest", "most", "room", "further", "wanted"),
    [
        (1, 4, 100, 0, 1),
        (1, 4, 100, 2, 3),
        (1, 4, 100, 50, 4),
        (6, 4, 100, 50, 6),
        (1, 4, 1, 50, 2),
        (3, 4, 0, 50, 1),
        (1, 4, -5, 0, 1),
    ],
)
def test_the_pool_follows_the_demand_within_its_bounds(
    fewest: int, most: int, room: int, further: int, wanted: int
) -> None:
    assert warm_workers_wanted(fewest, most, room, further) == wanted


def test_a_node_is_not_asked_twice_for_a_worker_that_is_on_its_way() -> None:
    now = 0.0
    asked = Asked(lambda: now)
    asked.note([1])
    asked.add(3)
    assert (asked.missing, sorted(asked.fresh)) == (3, [1])
    asked.note([1, 2])
    assert asked.missing == 2
    asked.note([2, 3])
    assert asked.missing == 1, "the first one has got work meanwhile"
    now = START_MS / 1000 + 1
    asked.note([2, 3])
    assert asked.missing == 0, "the last one has not come, and is asked for again"

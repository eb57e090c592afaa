"""A door that starts an actor at the same moment as another one, and the actor dies."""

import pytest

from deployments.routing import launcher
from deployments.routing.errors import ControlPlaneUnavailable
from deployments.routing.launcher import repeat_lost_races


class Ray:
    """Fails so often as Ray does when an actor dies between two look-ups of `get_if_exists`."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    async def start(self) -> str:
        self.failures -= 1
        if self.failures >= 0:
            raise ValueError("Failed to look up actor with name 'host'.")
        return "the actor"


async def test_an_actor_that_dies_while_it_is_looked_up_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "RACE_PAUSES", (0.0, 0.0))
    assert await repeat_lost_races("host", Ray(failures=2).start) == "the actor"
    with pytest.raises(ControlPlaneUnavailable):
        await repeat_lost_races("host", Ray(failures=3).start)

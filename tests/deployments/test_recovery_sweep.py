"""How soon a turn that has been woken, and has lost its process again, is woken once more."""

from deployments.background.recovery_sweep import MAX_PAUSE_SECONDS, TRIES_WITHOUT_PAUSE, pause_after


def test_the_first_tries_have_no_pause_and_later_ones_ever_longer_ones() -> None:
    pauses = [pause_after(tries - TRIES_WITHOUT_PAUSE) for tries in range(1, 12)]
    assert pauses == [0.0, 0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert max(pauses) == MAX_PAUSE_SECONDS

"""A short run on the whole service: things break, and every promise is kept; without its guards, they are not."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.chaos import report
from tests.chaos.checks import violations
from tests.chaos.faults import BRIEF
from tests.chaos.plan import Fault, Plan, Say, Size, make_plan
from tests.chaos.run import Result, run
from tests.chaos.tasks import Task, Verb
from tests.chaos.world import World

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SEED = 4
TRIES = 3


@pytest.fixture
def guards_down(world: World) -> Iterator[World]:
    """Takes orders for processes that start from now on."""
    order = world.service.data_dir / "sabotage"
    yield world
    order.unlink()


def test_whatever_breaks_every_promise_is_kept(world: World) -> None:
    plan = make_plan(SEED, Size(seconds=20, between_faults=1.2, longest_fault=2.0), BRIEF)
    result = asyncio.run(run(plan, world))
    found = violations(result.evidence)
    assert found == [], report.text(result, found)
    counted = report.counts(result)
    assert counted["send ok"] > 20, counted
    assert counted["turns"] > 20, counted
    assert len(report.faults(result)) > 8, report.faults(result)


def test_without_fencing_it_shows(guards_down: World) -> None:
    doubled = [Fault(at, "double a conversation", 2.0, 0.0) for at in (1.5, 4.5, 7.5)]
    assert shows("epochs_interleave", guards_down, "without_fencing", "tell", *doubled)


def test_without_client_ids_it_shows(guards_down: World) -> None:
    assert shows("message_twice", guards_down, "without_client_ids", "greet")


def shows(law: str, world: World, guard: str, verb: Verb, *faults: Fault) -> bool:
    """Whether it is found; a process that takes its time to start may leave too little of the first plan."""
    return any(law in sabotaged(world, guard, verb, *faults) for _ in range(TRIES))


def sabotaged(world: World, guard: str, verb: Verb, *faults: Fault) -> set[str]:
    """What is found when one conversation, in a process without that guard, is asked for a few things."""
    (world.service.data_dir / "sabotage").write_text(guard)
    script = [Say(0.3, 0, Task(number, verb), "queue", streamed=False, impatient=0.01) for number in range(1, 21)]
    plan = Plan(SEED, Size(seconds=10.0), ["dedicated"], [script], [(0, "stayed")], faults)
    result: Result = asyncio.run(run(plan, world))
    return {violation.law for violation in violations(result.evidence)}

"""A short run on the whole service: every promise is kept in spite of faults, and is broken without a guard."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.chaos import report
from tests.chaos.checks import violations
from tests.chaos.faults import SHORT_FAULTS
from tests.chaos.plan import Fault, Plan, RunSize, SendTask, make_plan
from tests.chaos.run import Result, run
from tests.chaos.system import SystemUnderTest
from tests.chaos.tasks import Task, Verb

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SEED = 4
MAX_TRIES = 3


@pytest.fixture
def sabotaged_system(system: SystemUnderTest) -> Iterator[SystemUnderTest]:
    """The system, in which processes that start from now on may lack a guard."""
    file = system.service.data_dir / "sabotage"
    yield system
    file.unlink()


def test_every_promise_is_kept_in_spite_of_faults(system: SystemUnderTest) -> None:
    plan = make_plan(SEED, RunSize(seconds=20, between_faults=1.2, max_fault_seconds=2.0), SHORT_FAULTS)
    result = asyncio.run(run(plan, system))
    found = violations(result.evidence)
    assert found == [], report.text(result, found)
    counts = report.counts(result)
    assert counts["send ok"] > 10, counts
    assert counts["turns"] > 10, counts
    assert len(report.faults(result)) > 8, report.faults(result)


def test_a_missing_fence_is_found(sabotaged_system: SystemUnderTest) -> None:
    doubled = [Fault(at, "double a conversation", 2.0, 0.0) for at in (1.5, 4.5, 7.5)]
    assert is_found("epochs_interleave", sabotaged_system, "without_fencing", "tell", *doubled)


def test_missing_client_ids_are_found(sabotaged_system: SystemUnderTest) -> None:
    assert is_found("message_twice", sabotaged_system, "without_client_ids", "greet")


def is_found(name: str, system: SystemUnderTest, guard: str, verb: Verb, *faults: Fault) -> bool:
    """Whether the violation is found, in a few tries: a process that starts slowly may leave too little of a plan."""
    return any(name in violations_without(system, guard, verb, *faults) for _ in range(MAX_TRIES))


def violations_without(system: SystemUnderTest, guard: str, verb: Verb, *faults: Fault) -> set[str]:
    """The violations of one conversation in a process without a guard."""
    (system.service.data_dir / "sabotage").write_text(guard)
    script = [
        SendTask(0.3, 0, Task(number, verb), "queue", streamed=False, hang_up_after=0.01) for number in range(1, 21)
    ]
    plan = Plan(SEED, RunSize(seconds=10.0), ["dedicated"], [script], [(0, "steady")], faults)
    result: Result = asyncio.run(run(plan, system))
    return {violation.name for violation in violations(result.evidence)}

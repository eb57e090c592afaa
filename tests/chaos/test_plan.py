"""A plan is made of its seed: it can be repeated, and it does not spare anything."""

from tests.chaos.faults import FAULTS, LASTING
from tests.chaos.plan import Cancel, Decide, Say, Size, make_plan
from tests.chaos.tasks import VERBS

SIZE = Size(seconds=120)


def test_the_same_seed_is_the_same_plan() -> None:
    assert make_plan(7, SIZE, list(FAULTS)) == make_plan(7, SIZE, list(FAULTS))
    assert make_plan(7, SIZE, list(FAULTS)) != make_plan(8, SIZE, list(FAULTS))


def test_every_fault_comes_before_any_comes_again() -> None:
    kinds = [fault.kind for fault in make_plan(7, SIZE, list(FAULTS)).faults]
    assert sorted(kinds[: len(FAULTS)]) == sorted(FAULTS)
    assert len(kinds) > len(FAULTS)


def test_some_faults_last() -> None:
    faults = make_plan(7, SIZE, list(FAULTS), LASTING).faults
    assert {fault.kind for fault in faults if fault.seconds > SIZE.longest_fault} == set(LASTING)


def test_people_do_everything_that_can_be_done() -> None:
    actions = [action for script in make_plan(7, SIZE, []).people for action in script]
    assert {type(action) for action in actions} == {Say, Cancel, Decide}
    said = [action for action in actions if isinstance(action, Say)]
    assert {action.task.verb for action in said} == set(VERBS)
    assert {action.on_busy for action in said} == {"reject", "queue", "interrupt", "steer"}
    assert len({action.task.number for action in said}) == len(said)

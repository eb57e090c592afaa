"""A plan depends only on its seed, and has every kind of action and fault."""

from tests.chaos.faults import FAULTS, MIN_SECONDS
from tests.chaos.plan import AnswerCall, CancelTurn, RunSize, SendTask, make_plan
from tests.chaos.tasks import VERBS

SIZE = RunSize(seconds=120)


def test_the_same_seed_is_the_same_plan() -> None:
    assert make_plan(7, SIZE, list(FAULTS)) == make_plan(7, SIZE, list(FAULTS))
    assert make_plan(7, SIZE, list(FAULTS)) != make_plan(8, SIZE, list(FAULTS))


def test_every_fault_comes_before_any_comes_again() -> None:
    kinds = [fault.kind for fault in make_plan(7, SIZE, list(FAULTS)).faults]
    assert sorted(kinds[: len(FAULTS)]) == sorted(FAULTS)
    assert len(kinds) > len(FAULTS)


def test_some_faults_have_a_minimum_duration() -> None:
    faults = make_plan(7, SIZE, list(FAULTS), MIN_SECONDS).faults
    assert {fault.kind for fault in faults if fault.seconds > SIZE.max_fault_seconds} == set(MIN_SECONDS)


def test_people_perform_every_kind_of_action() -> None:
    actions = [action for script in make_plan(7, SIZE, []).people for action in script]
    assert {type(action) for action in actions} == {SendTask, CancelTurn, AnswerCall}
    sent = [action for action in actions if isinstance(action, SendTask)]
    assert {action.task.verb for action in sent} == set(VERBS)
    assert {action.on_busy for action in sent} == {"reject", "queue", "interrupt", "steer"}
    assert len({action.task.number for action in sent}) == len(sent)

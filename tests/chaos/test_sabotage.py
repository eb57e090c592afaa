"""The checker sees what is wrong: with a guard of the product taken out, it names the promise that is broken."""

import pytest

from tests.chaos import sabotage
from tests.chaos.checks import violations
from tests.chaos.evidence import Violation
from tests.chaos.rehearsal import Rehearsal
from tests.chaos.tasks import Task


def laws(found: list[Violation]) -> set[str]:
    return {violation.law for violation in found}


async def through_a_crash(rehearsal: Rehearsal, task: Task, tool: str) -> set[str]:
    """What the checker finds when the process dies in the middle of a tool."""
    rehearsal.watch()
    await rehearsal.say(task)
    await rehearsal.begun(tool)
    await rehearsal.crash()
    await rehearsal.rest()
    rehearsal.watch("fresh")
    return laws(violations(await rehearsal.evidence()))


async def doubled(rehearsal: Rehearsal) -> set[str]:
    """What it finds when two incarnations live at once, and both have something to say."""
    rehearsal.watch()
    await rehearsal.say(Task(1, "deposit"))
    await rehearsal.begun("deposit")
    older, newer = await rehearsal.double()
    await rehearsal.begun("deposit", times=2)
    await rehearsal.until(lambda: all(each.gone.done() or each.resting_since for each in (older, newer)))
    return laws(violations(await rehearsal.evidence()))


async def repeated(rehearsal: Rehearsal) -> set[str]:
    """What it finds when a message is sent again because its answer was lost."""
    rehearsal.watch()
    for _ in range(2):
        await rehearsal.say(Task(1, "greet"))
        await rehearsal.rest()
    return laws(violations(await rehearsal.evidence()))


async def approved(rehearsal: Rehearsal) -> set[str]:
    """What it finds in a turn that asks for an approval."""
    rehearsal.watch()
    await rehearsal.say(Task(1, "sign"))
    await rehearsal.rest()
    if await rehearsal.stage.store.registry.unfinished(2**60, 1):
        await rehearsal.decide("approve")
        await rehearsal.rest()
    return laws(violations(await rehearsal.evidence()))


async def test_with_every_guard_in_place_nothing_is_found(rehearsal: Rehearsal) -> None:
    rehearsal.watch()
    for number, verb in enumerate(("greet", "tell", "deposit", "stamp", "delegate", "fail", "greet"), start=1):
        await rehearsal.say(Task(number, verb))
        await rehearsal.rest()
    await rehearsal.say(Task(8, "sign"))
    await rehearsal.decide("reject")
    await rehearsal.rest()
    await rehearsal.say(Task(9, "ask"))
    await rehearsal.decide("respond")
    await rehearsal.rest()
    await rehearsal.say(Task(10, "heap"))
    await rehearsal.cancel()
    rehearsal.watch("fresh")
    assert violations(await rehearsal.evidence()) == []


@pytest.mark.parametrize("task", [Task(1, "deposit"), Task(1, "stamp")], ids=str)
async def test_nor_after_a_crash(rehearsal: Rehearsal, task: Task) -> None:
    assert await through_a_crash(rehearsal, task, task.verb) == set()


async def test_nor_with_two_incarnations_at_once(rehearsal: Rehearsal) -> None:
    assert await doubled(rehearsal) == set()


async def test_nor_when_a_message_is_repeated(rehearsal: Rehearsal) -> None:
    assert await repeated(rehearsal) == set()


async def test_nor_with_an_approval(rehearsal: Rehearsal) -> None:
    assert await approved(rehearsal) == set()


async def test_without_fencing_epochs_interleave(rehearsal: Rehearsal) -> None:
    with sabotage.without_fencing():
        found = await doubled(rehearsal)
    assert {"epochs_interleave", "law_broken"} <= found


async def test_without_client_ids_a_message_stands_twice(rehearsal: Rehearsal) -> None:
    with sabotage.without_client_ids():
        found = await repeated(rehearsal)
    assert "message_twice" in found


async def test_under_a_new_id_an_effect_is_not_the_one_that_is_logged(rehearsal: Rehearsal) -> None:
    with sabotage.with_new_ids():
        found = await through_a_crash(rehearsal, Task(1, "deposit"), "deposit")
    assert found == {"effect_not_logged", "result_false"}


async def test_without_reports_what_must_not_be_repeated_is_done_twice(rehearsal: Rehearsal) -> None:
    with sabotage.without_reports():
        found = await through_a_crash(rehearsal, Task(1, "stamp"), "stamp")
    assert found == {"effect_twice"}


async def test_acknowledged_early_a_message_is_lost(rehearsal: Rehearsal) -> None:
    await rehearsal.say(Task(1, "greet"))
    await rehearsal.rest()
    with sabotage.acknowledging_early():
        await rehearsal.say(Task(2, "greet"))
        await rehearsal.crash()
    await rehearsal.rest()
    assert laws(violations(await rehearsal.evidence())) == {"message_lost"}


async def test_a_watcher_that_misses_an_event_differs(rehearsal: Rehearsal) -> None:
    with sabotage.missing_an_event():
        rehearsal.watch()
        await rehearsal.say(Task(1, "deposit"))
        await rehearsal.rest()
        found = laws(violations(await rehearsal.evidence()))
    assert found == {"watcher_missed", "stream_out_of_order"}


async def test_without_a_gate_an_effect_is_not_approved(rehearsal: Rehearsal) -> None:
    with sabotage.without_a_gate():
        found = await approved(rehearsal)
    assert found == {"effect_not_approved"}

"""The checker finds what is wrong: when a guard of the product is removed, it names the broken promise."""

import asyncio

import pytest

from agents.turn.events import TurnEnded
from tests.chaos import sabotage
from tests.chaos.checks import violations
from tests.chaos.evidence import Violation
from tests.chaos.in_process import CONVERSATION, InProcessSystem
from tests.chaos.tasks import Task
from tests.support.conversations import PATIENCE


def names(found: list[Violation]) -> set[str]:
    return {violation.name for violation in found}


async def after_a_crash(in_process: InProcessSystem, task: Task, tool: str) -> set[str]:
    """The violations after a crash in the middle of a tool."""
    in_process.watch()
    await in_process.say(task)
    await in_process.wait_until_begun(tool)
    await in_process.crash()
    await in_process.rest()
    in_process.watch("fresh")
    return names(violations(await in_process.evidence()))


async def with_two_incarnations(in_process: InProcessSystem) -> set[str]:
    """The violations when two incarnations are active and both write."""
    in_process.watch()
    await in_process.say(Task(1, "deposit"))
    await in_process.wait_until_begun("deposit")
    older, newer = await in_process.add_incarnation()
    await in_process.wait_until_begun("deposit", times=2)
    await in_process.until(lambda: all(each.gone.done() or each.resting_since for each in (older, newer)))
    return names(violations(await in_process.evidence()))


async def after_a_repeated_message(in_process: InProcessSystem) -> set[str]:
    """The violations when a message is sent twice."""
    in_process.watch()
    for _ in range(2):
        await in_process.say(Task(1, "greet"))
        await in_process.rest()
    return names(violations(await in_process.evidence()))


async def after_a_crash_at_the_end(in_process: InProcessSystem) -> set[str]:
    """The violations when the process dies as soon as the end of a turn is in the log."""
    in_process.watch()
    await in_process.say(Task(1, "greet"))
    async with asyncio.timeout(PATIENCE):
        while not any(isinstance(event, TurnEnded) for event in await in_process.world.events(CONVERSATION)):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    await in_process.crash()
    await in_process.rest()
    return names(violations(await in_process.evidence()))


async def with_an_approval(in_process: InProcessSystem) -> set[str]:
    """The violations of a turn that asks for an approval."""
    in_process.watch()
    await in_process.say(Task(1, "sign"))
    await in_process.rest()
    if await in_process.world.store.registry.unfinished(2**60, 1):
        await in_process.decide("approve")
        await in_process.rest()
    return names(violations(await in_process.evidence()))


async def test_with_every_guard_in_place_nothing_is_found(in_process: InProcessSystem) -> None:
    in_process.watch()
    for number, verb in enumerate(("greet", "tell", "deposit", "stamp", "delegate", "fail", "greet"), start=1):
        await in_process.say(Task(number, verb))
        await in_process.rest()
    await in_process.say(Task(8, "sign"))
    await in_process.decide("reject")
    await in_process.rest()
    await in_process.say(Task(9, "ask"))
    await in_process.decide("respond")
    await in_process.rest()
    await in_process.say(Task(10, "heap"))
    await in_process.cancel()
    in_process.watch("fresh")
    assert violations(await in_process.evidence()) == []


@pytest.mark.parametrize("task", [Task(1, "deposit"), Task(1, "stamp")], ids=str)
async def test_nothing_is_found_after_a_crash(in_process: InProcessSystem, task: Task) -> None:
    assert await after_a_crash(in_process, task, task.verb) == set()


async def test_nothing_is_found_with_two_incarnations(in_process: InProcessSystem) -> None:
    assert await with_two_incarnations(in_process) == set()


async def test_nothing_is_found_when_a_message_is_repeated(in_process: InProcessSystem) -> None:
    assert await after_a_repeated_message(in_process) == set()


async def test_nothing_is_found_with_an_approval(in_process: InProcessSystem) -> None:
    assert await with_an_approval(in_process) == set()


async def test_without_fencing_epochs_interleave(in_process: InProcessSystem) -> None:
    with sabotage.without_fencing():
        found = await with_two_incarnations(in_process)
    assert {"epochs_interleave", "law_broken"} <= found


async def test_nothing_is_found_after_a_crash_at_the_end(in_process: InProcessSystem) -> None:
    assert await after_a_crash_at_the_end(in_process) == set()


async def test_when_the_feed_is_told_beside_the_append_an_end_is_not_heard_of(in_process: InProcessSystem) -> None:
    with sabotage.telling_beside():
        found = await after_a_crash_at_the_end(in_process)
    assert "end_not_heard" in found


async def test_without_client_ids_a_message_is_logged_twice(in_process: InProcessSystem) -> None:
    with sabotage.without_client_ids():
        found = await after_a_repeated_message(in_process)
    assert "message_twice" in found


async def test_with_a_new_id_an_effect_is_not_logged(in_process: InProcessSystem) -> None:
    with sabotage.with_new_ids():
        found = await after_a_crash(in_process, Task(1, "deposit"), "deposit")
    assert found == {"effect_not_logged", "result_false"}


async def test_without_reports_an_effect_happens_twice(in_process: InProcessSystem) -> None:
    with sabotage.without_reports():
        found = await after_a_crash(in_process, Task(1, "stamp"), "stamp")
    assert found == {"effect_twice"}


async def test_with_early_acknowledgement_a_message_is_lost(in_process: InProcessSystem) -> None:
    await in_process.say(Task(1, "greet"))
    await in_process.rest()
    with sabotage.acknowledging_early():
        await in_process.say(Task(2, "greet"))
        await in_process.crash()
    await in_process.rest()
    assert names(violations(await in_process.evidence())) == {"message_lost"}


async def test_a_watcher_that_misses_an_event_differs(in_process: InProcessSystem) -> None:
    with sabotage.missing_an_event():
        in_process.watch()
        await in_process.say(Task(1, "deposit"))
        await in_process.rest()
        found = names(violations(await in_process.evidence()))
    assert found == {"watcher_missed", "stream_out_of_order"}


async def test_without_the_approval_policy_an_effect_is_not_approved(in_process: InProcessSystem) -> None:
    with sabotage.without_approval_policy():
        found = await with_an_approval(in_process)
    assert found == {"effect_not_approved"}

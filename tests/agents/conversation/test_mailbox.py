"""A conversation without work takes little memory: no task waits in it, and it keeps nothing of the last caller."""

import asyncio
import gc
import weakref

import pytest

from agents.conversation import Conversation
from agents.errors import Refused
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, rest, say, until


async def refused(conversation: Conversation) -> weakref.ref[BaseException]:
    with pytest.raises(Refused) as caught:
        await conversation.cancel()
    return weakref.ref(caught.value)


def tasks_of(conversation: Conversation) -> int:
    return sum(task.get_name() == f"conversation {conversation.id}" for task in asyncio.all_tasks())


async def test_no_task_waits_for_the_next_message(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await bench.begun()
    await until(lambda: tasks_of(conversation) == 0)
    bench.finish.set()
    await rest(conversation)
    await until(lambda: tasks_of(conversation) == 0)
    assert conversation.resting_since is not None


async def test_a_caller_that_was_refused_is_forgotten(world: World) -> None:
    """What an error refers to, the caller's frames, would stay in memory as long as the conversation lives."""
    conversation = await world.start(worker(Bench().tool))
    error = await refused(conversation)
    await asyncio.sleep(0)  # what called this back knows the error
    gc.collect()
    assert error() is None


async def test_what_comes_meanwhile_is_taken_in_its_order(world: World) -> None:
    bench = Bench()
    bench.finish.set()
    conversation = await world.start(worker(bench.tool))
    said = [say(conversation, str(number), on_busy="queue", client_id=str(number)) for number in range(8)]
    receipts = await asyncio.gather(*said)
    assert [receipt.seq for receipt in receipts] == sorted(receipt.seq for receipt in receipts)

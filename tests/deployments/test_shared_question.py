"""What many ask at the same moment is asked once."""

import asyncio

import pytest

from deployments.routing.shared_question import SharedQuestion
from tests.support.conversations import PATIENCE

MANY = 50


class Asked:
    """A question whose answer comes when the test says so."""

    def __init__(self) -> None:
        self.times = 0
        self.was_asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def __call__(self) -> int:
        self.times += 1
        number = self.times
        self.was_asked.set()
        await self.may_answer.wait()
        if number == 1:
            return number
        raise LookupError(number)


async def asking(asked: Asked, question: SharedQuestion[int], count: int) -> list[asyncio.Task[int]]:
    """So many callers that wait for the answer."""
    callers = [asyncio.create_task(question.get()) for _ in range(count)]
    async with asyncio.timeout(PATIENCE):
        await asked.was_asked.wait()
    return callers


async def test_callers_of_one_moment_share_an_answer_and_the_next_one_asks_anew() -> None:
    asked = Asked()
    question = SharedQuestion(asked)
    callers = await asking(asked, question, MANY)
    asked.may_answer.set()
    assert await asyncio.gather(*callers) == [1] * MANY
    with pytest.raises(LookupError):
        await question.get()
    with pytest.raises(LookupError):  # an error is no answer that is kept either
        await question.get()
    assert asked.times == 3


async def test_a_caller_that_gives_up_takes_the_answer_from_no_other_one() -> None:
    asked = Asked()
    first, second = await asking(asked, SharedQuestion(asked), 2)
    first.cancel()
    await asyncio.wait([first])
    asked.may_answer.set()
    assert await second == 1
    assert asked.times == 1

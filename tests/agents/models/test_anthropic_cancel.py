"""Stopping a stream closes its HTTP connection at once: the server's side of the socket is the witness."""

import asyncio
from contextlib import aclosing

import pytest

from agents.models import TextChunk
from agents.models.anthropic.model import AnthropicModel
from tests.messages_api import MessagesServer, Reply, Trouble
from tests.support.model_requests import read, request, text_of

SOON = 1.0


async def test_closing_the_stream(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.enqueue(Reply("word " * 1000, delay=0.01))
    async with aclosing(claude.stream(request())) as stream:
        async for event in stream:
            assert isinstance(event, TextChunk)
            break
    assert await messages_api.requests[0].wait_hung_up(SOON)
    assert not messages_api.requests[0].answered.is_set()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply("word " * 1000, delay=0.01), id="between tokens"),
        pytest.param(Reply("One two.", trouble=Trouble("stall", after=1)), id="in a stall"),
        pytest.param(Reply("One two.", trouble=Trouble("stall")), id="before the first token"),
        pytest.param(Reply("One two.", first_delay=60), id="before the headers"),
    ],
)
async def test_cancelling_the_task(claude: AnthropicModel, messages_api: MessagesServer, reply: Reply) -> None:
    messages_api.enqueue(reply)
    task = asyncio.create_task(read(claude, request()))
    received = await messages_api.wait_request()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await received.wait_hung_up(SOON)


async def test_cancelling_between_two_attempts(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.responder = lambda _: Reply("Lost.", trouble=Trouble("error"))
    async with asyncio.timeout(5):
        task = asyncio.create_task(read(claude, request()))
        await messages_api.wait_request(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    asked = len(messages_api.requests)
    await asyncio.sleep(0.05)
    assert len(messages_api.requests) == asked


async def test_others_go_on(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.responder = lambda _: Reply("one two three four five", delay=0.03)
    doomed, survivor = (asyncio.create_task(read(claude, request())) for _ in range(2))
    await messages_api.wait_request(2)
    doomed.cancel()
    assert text_of(await survivor) == "one two three four five"

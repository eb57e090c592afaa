"""The SDK can use the benchmark's model like the provider."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from agents.models.anthropic.model import AnthropicModel
from benchmarks.model import PACED, TOKENS, ModelConnection
from tests.messages_api.reply import tokens_reply
from tests.support.model_requests import completed, read, request, text_of

TEXT = "".join(tokens_reply(TOKENS).text)
UNPACED_TEXT, PACED_TEXT = "Tell me about the sea.", f"Tell me about the sea. {PACED}"


@pytest.fixture
async def claude() -> AsyncIterator[AnthropicModel]:
    server = await asyncio.get_running_loop().create_server(ModelConnection, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield AnthropicModel("claude-test", api_key="x", base_url=f"http://127.0.0.1:{port}")


async def test_every_answer_is_complete(claude: AnthropicModel) -> None:
    for words in (UNPACED_TEXT, PACED_TEXT, UNPACED_TEXT):
        events = await read(claude, request([{"role": "user", "content": words}]))
        assert text_of(events) == TEXT
        assert completed(events).stop_reason == "end_turn"


async def test_only_the_newest_message_sets_the_pace(claude: AnthropicModel) -> None:
    """An unpaced answer is complete before a paced one that was requested earlier."""
    messages = [{"role": "user", "content": PACED_TEXT}]
    earlier = [*messages, {"role": "assistant", "content": TEXT}, {"role": "user", "content": UNPACED_TEXT}]
    paced = asyncio.create_task(read(claude, request(messages)))
    assert text_of(await read(claude, request(earlier))) == TEXT
    assert not paced.done()
    assert text_of(await paced) == TEXT

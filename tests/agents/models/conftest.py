"""A Claude at the stand-in, closed after the test."""

from collections.abc import AsyncIterator

import pytest

from agents.models.anthropic import AnthropicModel
from tests.agents.models.calls import model_at
from tests.messages_api import MessagesServer


@pytest.fixture
async def claude(messages_api: MessagesServer) -> AsyncIterator[AnthropicModel]:
    model = model_at(messages_api)
    yield model
    await model.aclose()

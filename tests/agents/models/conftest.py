"""A model that calls the stand-in, closed after the test."""

from collections.abc import AsyncIterator

import pytest

from agents.models.anthropic.model import AnthropicModel
from tests.messages_api import MessagesServer
from tests.support.model_requests import model_at


@pytest.fixture
async def claude(messages_api: MessagesServer) -> AsyncIterator[AnthropicModel]:
    model = model_at(messages_api)
    yield model
    await model.aclose()

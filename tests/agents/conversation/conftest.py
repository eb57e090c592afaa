"""Agents that talk to the stand-in over HTTP, with their connections closed afterwards."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents.agent import Agent
from agents.models.anthropic.model import AnthropicModel
from agents.tools import Tool
from tests.messages_api import MessagesServer
from tests.support.conversation_workbench import Talker


@pytest.fixture
async def talker(messages_api: MessagesServer) -> AsyncIterator[Talker]:
    """Makes agents on the real client."""
    models: list[AnthropicModel] = []

    def make(*tools: Tool, **options: Any) -> Agent:
        model = AnthropicModel("claude", api_key="k", base_url=messages_api.url, retry_pause=0.01, **options)
        models.append(model)
        return Agent(name="talker", model=model, tools=tools)

    yield make
    for model in models:
        await model.aclose()

"""The agents of the deployment, as a front end needs to know them."""

import pytest

from agents.middleware.ask_user import ask_user
from tests.support.api import Api

pytestmark = pytest.mark.ray


@pytest.fixture
def placement() -> str:
    """These tests need no conversation."""
    return "shared"


async def test_every_agent_is_listed_with_what_it_can_do(api: Api) -> None:
    agents = {agent["name"]: agent for agent in (await api.http.get("/v1/agents")).json()["agents"]}
    assert {name for name, agent in agents.items() if agent["default"]} == {"assistant"}
    assert agents["assistant"]["suggestions"] == ["What time is it?", "What is 6*7?", "Announce: hello"]
    assert (agents["claude"]["offline"], agents["assistant"]["offline"]) == (False, True)
    clerk = agents["clerk"]
    tools = {tool["name"]: tool for tool in clerk.pop("tools")}
    assert clerk == {
        "name": "clerk",
        "description": "keeps files",
        "suggestions": [],
        "default": False,
        "model": "slow",
        "offline": True,
        "models": ["slow", "fast"],
        "mcp": [],
        "output": None,
        "on_busy": "queue",
        "gives_titles": False,
    }
    assert tools["publish"] == {
        "name": "publish",
        "description": "Publish a text.",
        "executor": "server",
        "approval": "required",
        "trust": "user_configurable",
        "decisions": ["approve", "edit", "reject"],
    }
    assert {"create_file", "edit_file", "ask_user"} <= set(tools)
    assert (tools["ask_user"]["executor"], tools["ask_user"]["approval"]) == (ask_user.executor, "auto")

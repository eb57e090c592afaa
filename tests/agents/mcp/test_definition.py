"""McpServer: a definition that cannot work is refused when it is made."""

from typing import Any

import pytest

from agents.agent import Agent
from agents.errors import AgentDefinitionError, McpDefinitionError
from agents.examples.offline.assistant import assistant_script
from agents.mcp.definition import exposed_name
from agents.mcp.server import McpServer
from agents.models import ScriptedModel


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "needs either a command or a url"),
        ({"command": ["x"], "url": "http://x"}, "needs either a command or a url"),
        ({"command": "python server.py"}, "a sequence of words"),
        ({"url": "x.example/mcp"}, "begins with http:// or https://"),
        ({"url": "https://"}, "begins with http:// or https://"),
        ({"url": "ftp://x.example"}, "begins with http:// or https://"),
        ({"url": "http://x", "environment": {"A": "b"}}, "environment is for a server with a command"),
        ({"command": ["x"], "headers": {"A": "b"}}, "headers are for a server with a url"),
        ({"command": ["x"], "trust": "blind"}, "trust is one of auto"),
        ({"command": ["x"], "trust": "auto", "approval": "maybe"}, "approval is one of auto"),
        ({"command": ["x"], "trust": "requires_approval", "approval": "auto"}, "cannot be lowered"),
        ({"command": ["x"], "approvers": "all"}, "not 'all'"),
        ({"command": ["x"], "approvers": "owner", "trust": "auto"}, 'approvers are for trust "requires_approval"'),
        ({"command": ["x"], "timeout": 0}, "positive"),
        ({"command": ["x"], "connect_timeout": -1}, "positive"),
    ],
)
def test_mistakes(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(McpDefinitionError) as raised:
        McpServer(name="files", **fields)
    assert raised.value.server == "files"
    assert problem in raised.value.problem
    assert str(raised.value).startswith("MCP server files: ")


@pytest.mark.parametrize("name", ["", "a b", "a.b", "ä", "x" * 31])
def test_names(name: str) -> None:
    with pytest.raises(McpDefinitionError, match="a name has 1 to 30"):
        McpServer(name=name, command=["x"])


@pytest.mark.parametrize(
    "fields",
    [
        {"command": ["x", "y"], "environment": {"A": "b"}},
        {"url": "https://x.example/mcp", "headers": {"Authorization": "Bearer b"}},
        {"command": ["x"], "trust": "auto"},
        {"command": ["x"], "trust": "user_configurable", "approval": "auto"},
    ],
)
def test_what_is_right(fields: dict[str, Any]) -> None:
    server = McpServer(name="x" * 30, **fields)
    assert "b" not in repr(server).replace("approval", "").replace("configurable", ""), "secrets are not shown"


def test_a_name_that_fits_is_kept() -> None:
    assert exposed_name("files", "read_file") == "files__read_file"
    assert exposed_name("x" * 30, "y" * 32) == "x" * 30 + "__" + "y" * 32


@pytest.mark.parametrize("tool", ["y" * 33, "read file", "read.file", "ä" * 5, "x" * 500])
def test_other_names_are_made_to_fit(tool: str) -> None:
    name = exposed_name("x" * 30, tool)
    assert len(name) <= 64
    assert name.startswith("x" * 30 + "__")
    assert name.isascii()
    assert exposed_name("x" * 30, tool) == name, "it is the same in every process"


def test_no_two_names_become_alike() -> None:
    tools = ["read.file", "read_file", "read file", "r" * 70, "r" * 71]
    assert len({exposed_name("files", tool) for tool in tools}) == len(tools)


def test_names_of_two_servers_do_not_meet() -> None:
    assert exposed_name("a", "b__c") == "a__b__c"
    assert exposed_name("a__b", "c") != "a__b__c"
    assert exposed_name("a_", "b") != exposed_name("a", "_b")
    names = {exposed_name(*pair) for pair in (("a", "b__c"), ("a__b", "c"), ("a_", "b"), ("a", "_b"), ("a__b", "c "))}
    assert len(names) == 5


def test_an_agent_lists_no_two_servers_of_one_name() -> None:
    servers = [McpServer(name="files", command=["x"]), McpServer(name="files", url="http://x")]
    with pytest.raises(AgentDefinitionError, match="two of its MCP servers are called files"):
        Agent(name="a", model=ScriptedModel(assistant_script), mcp=servers)

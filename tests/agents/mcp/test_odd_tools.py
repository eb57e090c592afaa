"""A tool that no provider takes is mended or left out by itself: all others of its server stay, and people are told."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from agents.agent import Agent
from agents.errors import ToolDefinitionError
from agents.mcp.pool import McpPool
from agents.mcp.server import McpServer
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.tools import Tool, tool
from agents.turn.events import ToolResult
from tests.messages_api.rules import check_request
from tests.support.conversations import World, say
from tests.support.mcp_workbench import Caller, Clock, listing, over_stdio, rested

OBJECT = {"type": "object", "properties": {}}
FINE = {"name": "fine", "description": "It is.", "inputSchema": OBJECT}
CHOICE = {"anyOf": [{"type": "object", "properties": {"größe": {"type": "number"}}}, {"type": "null"}]}


class Reports:
    """What a pool reports of its servers."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.tools: list[str] = []

    def __call__(self, server: str, tools: Sequence[str] | None, warnings: Sequence[str]) -> None:
        assert server == "t"
        self.tools, self.warnings = list(tools or ()), list(warnings)


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
async def pool(clock: Clock, reports: Reports) -> Any:
    pool = McpPool(clock, reports)
    yield pool
    await pool.aclose()


@pytest.mark.parametrize(
    ("entry", "warning"),
    [
        ({"name": "bad"}, "Its tool 'bad' is left out: it has no schema of its arguments."),
        ({"inputSchema": OBJECT}, "Its tool number 1 is left out: it has no name."),
        ({"name": "", "inputSchema": OBJECT}, "Its tool number 1 is left out: it has no name."),
        ({"name": 7, "inputSchema": OBJECT}, "Its tool number 1 is left out: it has no name."),
        ("walk", "Its tool number 1 is left out: it has no name."),
        (None, "Its tool number 1 is left out: it has no name."),
        ({"name": "bad", "inputSchema": []}, "Its tool 'bad' is left out: it has no schema of its arguments."),
        (
            {"name": "bad", "inputSchema": {"type": "string"}},
            "Its tool 'bad' is left out: its description is malformed.",
        ),
        (
            {"name": "bad", "inputSchema": {"type": "object", "anyOf": [{"type": "string"}]}},
            "Its tool 'bad' is left out: none of the alternatives in its schema is an object.",
        ),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
async def test_it_is_left_out_alone(pool: McpPool, reports: Reports, entry: Any, warning: str, order: int) -> None:
    also = {**FINE, "name": "also"}
    caller = Caller(pool, listing(*[entry, FINE, also][::order]))
    assert sorted(await caller.names()) == ["t__also", "t__fine"]
    assert sorted(reports.tools) == ["t__also", "t__fine"]
    assert reports.warnings == [warning], "its number counts on its page, and each entry has a page of its own"
    assert json.loads(await caller.read("fine", a=1)) == {"fine": {"a": 1}}


@pytest.mark.parametrize(
    "odd",
    [
        {"outputSchema": {"type": "string"}},
        {"outputSchema": 7},
        {"annotations": "read only"},
        {"title": 7},
        {"description": ["a"]},
        {"icons": {}},
        {"inputSchema": {}},
    ],
)
async def test_what_the_model_does_not_need_costs_no_tool(pool: McpPool, reports: Reports, odd: dict[str, Any]) -> None:
    caller = Caller(pool, listing({**FINE, **odd}))
    assert await caller.names() == ["t__fine"]
    assert reports.warnings == []
    assert await caller.read("fine") == '{"fine": {}}'


async def test_a_schema_and_a_key_are_mended_and_mapped_back(pool: McpPool, reports: Reports) -> None:
    caller = Caller(pool, listing({"name": "grow", "inputSchema": {"type": "object", **CHOICE}}))
    [grow] = await pool.tools(caller.servers)
    [key] = grow.input_schema["properties"]
    assert reports.warnings == [
        "Its tool 'grow' is changed: alternatives at the root of its schema were folded into one object; "
        f"its parameter 'größe' is called {key!r}."
    ]
    assert json.loads(await caller.read("grow", **{key: 3, "b": 1})) == {"grow": {"größe": 3, "b": 1}}


async def test_two_tools_of_one_name(pool: McpPool, reports: Reports) -> None:
    caller = Caller(pool, listing(FINE, {**FINE, "description": "Another."}))
    [fine] = await pool.tools(caller.servers)
    assert fine.description == "It is."
    assert reports.warnings == ["Its tool 'fine' is left out: it lists two of that name."]


async def test_the_sdk_drops_a_tool_by_itself(pool: McpPool, reports: Reports) -> None:
    """A real server of the newer protocol: nothing of it is odd, and nothing is reported."""
    caller = Caller(pool, over_stdio())
    assert "t__add" in await caller.names()
    assert [warning for warning in reports.warnings if "odd.name" not in warning] == []


@tool(name="t__fine")
async def own_fine(text: str) -> str:
    """Answer for the agent itself."""
    return f"own {text}"


async def test_an_own_tool_of_that_name_stays_and_the_servers_gets_another(world: World) -> None:
    seen: list[ModelRequest] = []

    def script(request: ModelRequest) -> Step:
        seen.append(request)
        check_request({"model": "m", "max_tokens": 1, "messages": request.messages, "tools": list(request.tools)})
        names = [offered["name"] for offered in request.tools]
        said = sum(message["role"] == "assistant" for message in request.messages)
        calls = [Call("t__fine", {"text": "hi"}), Call(names[1], {"a": 1})]
        return Step(calls=[calls[said]]) if said < 2 else Step(text="so")

    conversation = await world.start(
        Agent(name="a", model=ScriptedModel(script), tools=[own_fine], mcp=[listing(FINE, {"name": "bad"})])
    )
    await say(conversation)
    assert await rested(conversation) == "idle"
    contents = [event.content for event in await world.events() if isinstance(event, ToolResult)]
    assert contents == ["own hi", '{"fine": {"a": 1}}']
    assert seen[0].tools[0]["name"] == "t__fine"


async def test_two_servers_whose_names_meet(clock: Clock) -> None:
    pool = McpPool(clock)
    command = listing({**FINE, "name": "b__c"}).command
    servers = [
        McpServer(name="a", command=command, trust="auto"),
        McpServer(name="a__b", command=listing({**FINE, "name": "c"}).command, trust="auto"),
    ]
    names = [offered.name for offered in await pool.tools(servers)]
    assert len(set(names)) == 2
    for name in names:
        found = await pool.find(servers, name)
        assert found is not None
        assert found.name == name
    await pool.aclose()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "größe"}, "a name has 1 to 64"),
        ({"input_schema": {"type": "object", "anyOf": []}}, "without anyOf"),
        ({"input_schema": {"type": "object", "properties": {"größe": {}}}}, "unlike größe"),
        ({"description": ""}, "docstring is missing"),
    ],
)
def test_a_tool_that_was_made_by_hand_is_checked_with_its_agent(fields: dict[str, Any], problem: str) -> None:
    made = Tool(**{"name": "x", "description": "x", "input_schema": OBJECT, **fields})
    with pytest.raises(ToolDefinitionError, match=problem):
        Agent(name="a", model=ScriptedModel(lambda _: Step(text="")), tools=[made])

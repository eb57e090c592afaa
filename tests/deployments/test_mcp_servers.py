"""What a process finds out about the tools of MCP servers is told to people by every other one."""

from agents.agent import Agent
from agents.mcp.definition import name_beside
from agents.mcp.pool import McpPool
from agents.mcp.server import McpServer
from agents.models import ScriptedModel, Step
from agents.tools import tool
from deployments.process.mcp_servers import describe_servers, recall_from, report_to
from tests.messages_api import MessagesServer
from tests.support.conversations import World
from tests.support.mcp_workbench import listing, until

OBJECT = {"type": "object", "properties": {}}


@tool
async def t__own() -> str:
    """Be the agent's own."""
    return "own"


async def test_the_list_of_agents_has_the_servers_tools_and_warnings(world: World) -> None:
    fine = [{"name": name, "inputSchema": OBJECT} for name in ("fine", "own")]
    server = listing({"name": "bad"}, *fine)
    agent = Agent(name="a", model=ScriptedModel(lambda _: Step(text="")), tools=[t__own], mcp=[server])
    assert describe_servers(agent, await world.store.mcp_servers.all()) == [
        {"name": "t", "tools": None, "warnings": []}
    ]

    pool = McpPool(report=report_to(world.connect()))
    await pool.tools([server])
    await until(world.store.mcp_servers.all)
    beside = name_beside("t__own")
    assert describe_servers(agent, await world.store.mcp_servers.all()) == [
        {
            "name": "t",
            "tools": ["t__fine", beside],
            "warnings": [
                "Its tool 'bad' is left out: it has no schema of its arguments.",
                f"Its tool t__own is called {beside}: the agent has a tool t__own itself.",
            ],
        }
    ]
    await pool.aclose()


async def test_a_server_that_is_away_is_said_to_be_and_keeps_its_tools_in_memory(world: World) -> None:
    ghost = McpServer(name="ghost", command=["/no/such/program"])
    agent = Agent(name="a", model=ScriptedModel(lambda _: Step(text="")), mcp=[ghost])
    report = report_to(world.store)
    report("ghost", ["ghost__walk"], [])
    await until(world.store.mcp_servers.all)
    pool = McpPool(report=report_to(world.connect()), recall=recall_from(world.store))
    assert await pool.tools([ghost]) == []

    async def described() -> bool:
        [server] = describe_servers(agent, await world.store.mcp_servers.all())
        return server["warnings"] != []

    await until(described)
    cause = "FileNotFoundError: [Errno 2] No such file or directory: '/no/such/program'"
    assert describe_servers(agent, await world.store.mcp_servers.all()) == [
        {"name": "ghost", "tools": ["ghost__walk"], "warnings": [f"It cannot be reached: {cause}."]}
    ]
    assert await pool.away([ghost]) == [
        f"The MCP server ghost cannot be reached: {cause}. These tools of it are missing: ghost__walk."
    ]
    await pool.aclose()


async def test_an_address_with_a_key_is_not_told_to_people(world: World) -> None:
    """The address of a server that refuses us stands in the SDK's error, with all that is in it."""
    with MessagesServer() as refusing:
        keyed = McpServer(name="keyed", url=f"{refusing.url}/mcp?key=secret-of-ours")
        pool = McpPool(report=report_to(world.store))
        await pool.tools([keyed])
        await until(world.store.mcp_servers.all)
        [said] = await pool.away([keyed])
        entry = (await world.store.mcp_servers.all())["keyed"]
        await pool.aclose()
    assert said.startswith("The MCP server keyed cannot be reached: ")
    assert "secret-of-ours" not in f"{said} {entry!r}"

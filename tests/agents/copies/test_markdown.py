"""A conversation as Markdown: what people would want to read of it, and nothing that breaks the page."""

from agents.agent import Agent
from agents.copies.markdown import markdown
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import tool_returns
from agents.tools import tool
from agents.turn.inputs import Resolve, UserMessage
from tests.support.conversations import World, rest, say, text
from tests.support.sub_agent_world import boss, scholar, task


@tool(approval="required")
def remove(what: str) -> str:
    """Remove something."""
    return f"```\n{what}\n``` is gone"


async def transcript(world: World) -> str:
    meta = await world.store.registry.get("c")
    return "".join([part async for part in markdown(world.store, meta)])


async def test_messages_calls_questions_decisions_and_ends(world: World) -> None:
    def script(request: ModelRequest) -> Step:
        is_result = request.messages[-1]["content"][-1]["type"] == "tool_result"
        return (
            Step(f"*{len(tool_returns(request.messages))}* gone")
            if is_result
            else Step(calls=[Call("remove", {"what": "it"})])
        )

    conversation = await world.start(Agent(name="remover", model=ScriptedModel(script), tools=[remove]))
    picture = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    await conversation.send(UserMessage(content=[*text("# remove\nit"), picture], principal="ada"))
    assert await rest(conversation) == "awaiting_input"
    [key] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=key, decision="reject", reason="not\nnow", principal="bob"))
    await rest(conversation)
    await say(conversation, "and again")
    assert await rest(conversation) == "awaiting_input"
    written = await transcript(world)
    assert "**Decision**" in written.partition("## Turn 2")[0]
    assert written.endswith("\n\n")
    assert "**Question**, to approve" in written.partition("## Turn 2")[2]  # of the turn that waits
    await conversation.cancel("ada")
    await rest(conversation)
    written = await transcript(world)
    for part in (
        "# c\n\n- Conversation: `c`\n- Agent: `remover`\n- Owner: ada\n- From 20",
        "## Turn 1\n\n**ada** · 20",
        "\n\n# remove\nit\n\n[image: https://example.org/a.png]\n\n",
        "**Call** of `remove` · 20",
        '```json\n{\n  "what": "it"\n}\n```\n\n**Question**, to approve',
        "**Decision** of bob: reject · 20",
        "\n\n> not\n> now\n\n**Result** (denied)",
        "**Assistant** (scripted) · 20",
        "\n\n*1* gone\n\n## Turn 2\n\n",
        "*Turn 2 was cancelled",
    ):
        assert part in written, part


async def test_a_fence_is_longer_than_any_in_its_text(world: World) -> None:
    @tool
    def look() -> str:
        """Look."""
        return "a\n````\n# b"

    conversation = await world.start(
        Agent(name="looker", model=ScriptedModel([Step(calls=[Call("look")]), Step("ok")]), tools=[look])
    )
    await say(conversation)
    await rest(conversation)
    assert "`````\na\n````\n# b\n`````\n" in await transcript(world)


async def test_sub_agents_follow(world: World) -> None:
    conversation = await world.start(boss(scholar(Step("Done."), name="helper"), calls=[task("helper", "do it")]))
    await say(conversation)
    await rest(conversation)
    root, _, below = (await transcript(world)).partition("# Sub-agent: do it\n")
    assert "**Call** of `task`" in root
    assert "- Called by: `c`, `" in below
    assert "Done.\n\n" in below

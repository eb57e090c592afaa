"""The AgentContext reaches all sub-agents, and is never stored."""

import secrets
from dataclasses import dataclass, field, replace

from agents.agent import Agent
from agents.context import AgentContext, current_context
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call, ScriptedModel, Step
from agents.tools import ToolContext, tool
from agents.turn.inputs import Resolve, UserMessage
from tests.servers.contents import dump_contents
from tests.support.conversations import World, rest, results, text
from tests.support.sub_agent_world import boss, manager, only_pending, task


@dataclass
class RecordContext(Middleware):
    """Records the context in which it and the tools are called."""

    seen: list[tuple[str, AgentContext]] = field(default_factory=list)

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        self.seen.append(("before_model", current_context()))
        return request


async def test_the_innermost_sub_agent_has_it_and_the_store_does_not(
    world: World, redis_url: str, redis_prefix: str
) -> None:
    recorder = RecordContext()

    @tool
    async def look(context: ToolContext) -> str:
        """Look around."""
        recorder.seen.append(("look", current_context()))
        assert context.context == current_context()
        return "seen"

    @tool(approval="required")
    async def act() -> str:
        """Do something."""
        recorder.seen.append(("act", current_context()))
        return "done"

    steps = [Step(calls=[Call("look")]), Step(calls=[Call("act")]), Step("over")]
    clerk = Agent(name="clerk", model=ScriptedModel(steps), tools=(look, act), middleware=(recorder,))
    root = await world.start(boss(manager(clerk, calls=[task("clerk", "go")]), calls=[task("manager", "go")]))

    tenant, trace, secret, other = (secrets.token_hex(12) for _ in range(4))
    sender_context = AgentContext(tenant, "ada", trace, {"secret": secret})
    await root.send(UserMessage(content=text("go"), principal="ada"), sender_context)
    assert await rest(root) == "awaiting_input"
    tool_call_id, _ = only_pending(root)
    approver_context = AgentContext(
        tenant, "bob", trace, {"secret": other}
    )  # a turn has one context: these values are ignored
    await root.resolve(Resolve(tool_call_id=tool_call_id, decision="approve", principal="bob"), approver_context)
    assert await rest(root) == "idle"
    assert results(await world.events()) == [("ok", "managed")]

    contexts = dict(reversed(recorder.seen))
    assert contexts["before_model"] == sender_context
    assert contexts["look"] == sender_context
    assert contexts["act"] == replace(sender_context, principal="bob")
    stored = await dump_contents(redis_url, f"{redis_prefix}:*")
    assert "seen" in stored, "the search covers the log"
    assert not [marker for marker in (tenant, trace, secret, other) if marker in stored]

"""Agents for the tests of sub-agents, and ways to read the conversations that they make."""

from collections.abc import Sequence
from typing import Any

from agents.agent import Agent
from agents.conversation import Conversation
from agents.middleware.sub_agent import SubAgent
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import tool_returns
from agents.tools import Tool, ToolContext, tool
from agents.turn.events import ToolCall, TurnEnded
from store import ConversationMeta
from tests.support.conversations import World, rest, until


def task(agent: str, prompt: str) -> Call:
    """A call that delegates to an agent."""
    return Call("task", {"agent": agent, "prompt": prompt})


def boss(*agents: Agent, calls: Sequence[Call], tools: Sequence[Tool] = (), **options: Any) -> Agent:
    """An agent that makes these calls at once, and then says what they returned."""

    def work(request: ModelRequest) -> Step:
        if results := tool_returns(request.messages):
            return Step(" | ".join(result.text for result in results))
        return Step(calls=calls)

    return Agent(
        name="boss",
        model=ScriptedModel(work),
        tools=tools,
        middleware=(SubAgent(agents, **{"general": False, **options}),),
    )


def scholar(*steps: Step, name: str = "scholar", tools: Sequence[Tool] = (), **options: Any) -> Agent:
    """An agent that plays these steps."""
    return Agent(name=name, model=ScriptedModel(steps), tools=tools, **options)


async def child_of(world: World, conversation_id: str = "c", number: int = 0) -> ConversationMeta:
    """A child of a conversation."""
    return (await world.store.registry.children(conversation_id))[number]


async def calls_of(world: World, conversation_id: str = "c") -> list[ToolCall]:
    return [event for event in await world.events(conversation_id) if isinstance(event, ToolCall)]


async def wait_for_end(world: World, conversation_id: str = "c") -> None:
    """Wait until a turn of the conversation has ended."""
    conversation = await world.doors.reach(conversation_id)
    await until(lambda: any(isinstance(event, TurnEnded) for event in conversation.history.events))


def only_pending(conversation: Conversation) -> tuple[str, dict[str, Any]]:
    """The only question of a conversation: the id of its call, and what is shown of it."""
    [(tool_call_id, shown)] = conversation.inspect().pending.items()
    return tool_call_id, shown


class LetterTool:
    """A tool that sends letters; a person has to approve each call."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str | None, dict[str, Any]]] = []

        @tool(approval="required")
        async def send(words: str, context: ToolContext) -> str:
            """Send a letter."""
            self.sent.append((words, context.principal, dict(context.context.values)))
            return f"sent: {words}"

        self.tool: Tool = send

    def clerk(self, *letters: str) -> Agent:
        """An agent that sends these letters at once."""
        calls = [Call("send", {"words": words}) for words in letters]
        return Agent(name="clerk", model=ScriptedModel([Step(calls=calls), Step("sent")]), tools=(self.tool,))


def manager(*agents: Agent, calls: list[Call]) -> Agent:
    """An agent between the boss and the agents that work."""
    return Agent(
        name="manager",
        model=ScriptedModel([Step(calls=calls), Step("managed")]),
        middleware=(SubAgent(agents, general=False),),
    )


async def wait_for_question(conversation: Conversation) -> tuple[str, dict[str, Any]]:
    """Wait until the conversation asks a question; returns it as `only_pending` does."""
    assert await rest(conversation) == "awaiting_input"
    return only_pending(conversation)

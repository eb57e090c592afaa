"""Tools whose calls wait for the outside, one of every kind, and how the tests decide about such a call."""

from typing import Any

from agents.agent import Agent
from agents.conversation import Conversation
from agents.interrupt import Interrupt
from agents.tools import ToolContext, tool
from agents.turn.inputs import Resolve
from tests.support.conversations import World, rest, say


@tool(executor="client")
def photograph(subject: str) -> None:
    """Take a picture with the device."""


@tool(executor="client", approval="required")
def unlock(door: str) -> None:
    """Unlock a door with the device."""


@tool(executor="human")
def ask(question: str) -> None:
    """Ask a person."""


@tool(approval="required")
def send(text: str) -> str:
    """Send a text."""
    return f"sent {text}"


@tool
def book(context: ToolContext, room: str) -> str:
    """Book a room, if a person agrees."""
    if not context.interrupted:
        raise Interrupt(f"Book {room}?", decisions=["approve", "reject"])
    if context.resolution is None:
        return "Nobody was there."
    return f"{context.resolution.decision}: {room} for {context.resolution.principal}"


TOOLS = (send, ask, photograph, unlock, book)


async def waiting(world: World, agent: Agent) -> Conversation:
    conversation = await world.start(agent)
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    return conversation


def only(conversation: Conversation) -> tuple[str, dict[str, Any]]:
    """The one call that waits, and what is shown of it."""
    [(tool_call_id, shown)] = conversation.inspect().pending.items()
    return tool_call_id, shown


async def resolve(conversation: Conversation, decision: Any, **more: Any) -> None:
    """Decide about the one call that waits, as Bob."""
    tool_call_id, _ = only(conversation)
    await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision=decision, principal="bob", **more))
    await rest(conversation)

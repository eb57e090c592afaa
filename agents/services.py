"""What a conversation may use of the world around it: ports that the shell fills in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from agents.clock import now_ms
from agents.context import AgentContext
from agents.mcp.pool import McpPool
from agents.receipt import Receipt
from agents.tools.local_tasks import LocalTasks
from agents.turn.inputs import Resolve, UserMessage
from store import Store


class Conversations(Protocol):
    """The door, as agents see it: reaches any conversation and starts it if need be; safe to repeat."""

    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext) -> Receipt:
        """Raises `Refused`, `store.ConversationNotFound`, or an error of the way there, which is worth a repetition."""

    async def resolve(self, conversation_id: str, resolution: Resolve, context: AgentContext) -> Receipt: ...

    async def cancel(self, conversation_id: str, principal: str | None) -> Receipt: ...


class Tasks(Protocol):
    """Runs heavy functions elsewhere, with resources of their own."""

    async def run(
        self,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        resources: Mapping[str, Any],
        progress: Callable[[Any], None],
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        """The function's result; cancelling the caller cancels the function, the caller's AgentContext goes along."""


class Nobody:
    """The conversations of a place where there is only one."""

    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext) -> Receipt:
        raise LookupError(f"there is no door to {conversation_id} here")

    async def resolve(self, conversation_id: str, resolution: Resolve, context: AgentContext) -> Receipt:
        raise LookupError(f"there is no door to {conversation_id} here")

    async def cancel(self, conversation_id: str, principal: str | None) -> Receipt:
        raise LookupError(f"there is no door to {conversation_id} here")


@dataclass(frozen=True, slots=True)
class Services:
    """One per process. `place` is where its conversations can be reached: the name of an actor, in `cluster`."""

    store: Store
    conversations: Conversations = field(default_factory=Nobody)
    tasks: Tasks = field(default_factory=LocalTasks)
    mcp: McpPool = field(default_factory=McpPool)
    place: str = ""
    cluster: str = ""
    clock: Callable[[], int] = now_ms

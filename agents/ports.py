"""The ports through which a conversation and its tools reach the world around them; the shell fills them in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from agents.clock import now_ms
from agents.context import AgentContext
from agents.receipt import Receipt
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


class NullConversations:
    """The conversations of a place where there is only one."""

    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext) -> Receipt:
        raise LookupError(f"there is no door to {conversation_id} here")

    async def resolve(self, conversation_id: str, resolution: Resolve, context: AgentContext) -> Receipt:
        raise LookupError(f"there is no door to {conversation_id} here")

    async def cancel(self, conversation_id: str, principal: str | None) -> Receipt:
        raise LookupError(f"there is no door to {conversation_id} here")


@dataclass(frozen=True, slots=True)
class ToolServices:
    """What a tool may use. `place` is where this process's conversations are reached: an actor's name in `cluster`."""

    store: Store
    tasks: Tasks
    conversations: Conversations = field(default_factory=NullConversations)
    place: str = ""
    cluster: str = ""
    clock: Callable[[], int] = now_ms

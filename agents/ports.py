"""The ports through which a conversation and its tools reach other services; the deployment supplies them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from agents.clock import now_ms
from agents.context import AgentContext
from agents.receipt import Receipt
from agents.turn.inputs import Resolve, UserMessage
from store import Store


class Conversations(Protocol):
    """The door, as agents see it: reaches any conversation, and starts it if necessary; safe to repeat."""

    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext) -> Receipt:
        """Raises `Refused`, `store.ConversationNotFound`, or an error on the way there, which a caller may retry."""

    async def resolve(self, conversation_id: str, resolution: Resolve, context: AgentContext) -> Receipt: ...

    async def cancel(self, conversation_id: str, principal: str | None, turn: int | None = None) -> Receipt:
        """End that turn; None: the one that runs now, which is found out once, before the first try."""


class Tasks(Protocol):
    """Runs functions in other processes, with resources of their own."""

    async def run(
        self,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        resources: Mapping[str, Any],
        progress: Callable[[Any], None],
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        """The function's result. Cancelling the caller cancels the function; it runs in the caller's AgentContext."""


class TurnLimits(Protocol):
    """What the principals of turns may use, beside what the agents allow."""

    async def begin_turn(self, conversation_id: str, principal: str) -> None:
        """A turn is about to begin that this principal asks for. Raises `Refused`."""

    def note_turn(self, conversation_id: str, principal: str) -> None:
        """It has begun, also without having been asked for here."""

    def end_turn(self, conversation_id: str, principal: str) -> None:
        """It is over, or has not begun."""

    async def require_spending(self, principal: str) -> None:
        """Before a call of a model. Raises `TurnStopped`."""


class NoLimits:
    """For conversations that no principals with limits use."""

    async def begin_turn(self, conversation_id: str, principal: str) -> None: ...

    def note_turn(self, conversation_id: str, principal: str) -> None: ...

    def end_turn(self, conversation_id: str, principal: str) -> None: ...

    async def require_spending(self, principal: str) -> None: ...


class Metrics(Protocol):
    """Counts what conversations do; a call returns at once, and never raises. Times are in seconds."""

    def note_turn(self, agent: str, outcome: str, seconds: float, *, waited: bool) -> None:
        """A turn has ended; `waited` says whether it has asked the outside."""

    def note_first_token(self, agent: str, seconds: float) -> None:
        """The model's answer has begun so long after the turn."""

    def note_model_call(self, model: str, outcome: str, status: int | None, seconds: float) -> None:
        """`outcome` is completed, cancelled or the reason of a failure; `status` is the provider's, if it gave one."""

    def note_usage(self, model: str, tokens: Mapping[str, int], cost: int) -> None:
        """Further tokens, by the fields of `TokenUsage`, and what they cost in millionths of a US dollar."""

    def note_tool_call(self, tool: str, outcome: str, seconds: float) -> None:
        """A call of a server tool has ended; `outcome` is the status of its result, or interrupted."""

    def note_exit(self, reason: str) -> None:
        """An incarnation has ended; `reason` is an `ExitReason`."""


class NoMetrics:
    """For conversations that are not watched."""

    def note_turn(self, agent: str, outcome: str, seconds: float, *, waited: bool) -> None: ...

    def note_first_token(self, agent: str, seconds: float) -> None: ...

    def note_model_call(self, model: str, outcome: str, status: int | None, seconds: float) -> None: ...

    def note_usage(self, model: str, tokens: Mapping[str, int], cost: int) -> None: ...

    def note_tool_call(self, tool: str, outcome: str, seconds: float) -> None: ...

    def note_exit(self, reason: str) -> None: ...


class NullConversations:
    """For a conversation that runs alone: no other conversation can be reached."""

    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext) -> Receipt:
        raise LookupError(f"there is no door to {conversation_id} here")

    async def resolve(self, conversation_id: str, resolution: Resolve, context: AgentContext) -> Receipt:
        raise LookupError(f"there is no door to {conversation_id} here")

    async def cancel(self, conversation_id: str, principal: str | None, turn: int | None = None) -> Receipt:
        raise LookupError(f"there is no door to {conversation_id} here")


@dataclass(frozen=True, slots=True)
class ToolServices:
    """What a tool may use. This process's conversations are reached at `place`, the name of an actor in `cluster`."""

    store: Store
    tasks: Tasks
    conversations: Conversations = field(default_factory=NullConversations)
    place: str = ""
    cluster: str = ""
    clock: Callable[[], int] = now_ms

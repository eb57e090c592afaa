"""What can go wrong with an agent. Each error passes its arguments on unchanged, so that pickling keeps its type."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

RefusedPart = Literal["content", "size"]
"""What of a request a provider refuses to read: something in its messages, or that it is too long."""


class PromptSize(NamedTuple):
    """The provider's figures of a prompt that is too long: how many tokens it has, and how many the model reads."""

    tokens: int
    limit: int


class AgentError(Exception):
    """The base of every error that `agents` raises."""


class ModelError(AgentError):
    """The model gave no complete answer; `message` is for users, `retry_after` is in seconds.

    `reason` is one of rate_limited, overloaded, unavailable, invalid_request, authentication, stream_broken,
    malformed_stream, timeout. `refused` is set when the messages themselves are what the provider refuses: they would
    be refused again. `size` has the provider's figures when it refuses their size, if it gave any.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        retry_after: float | None = None,
        refused: RefusedPart | None = None,
        size: PromptSize | None = None,
    ) -> None:
        super().__init__(reason, message, retry_after, refused, size)
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.refused = refused
        self.size = size

    def __str__(self) -> str:
        return self.message


def provider_status(error: ModelError) -> int | None:
    """The HTTP status with which the provider refused the call; None if it gave none."""
    status = getattr(error.__cause__, "status_code", None)
    return status if isinstance(status, int) else None


class ToolError(AgentError):
    """Raised by a tool on purpose: `message` is the result that the model reads."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class TaskLost(AgentError):
    """The process or node that ran a remote function died; whether the function had its effect is unknown."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class ToolDefinitionError(AgentError):
    """The definition of a tool has a mistake."""

    def __init__(self, tool: str, problem: str) -> None:
        super().__init__(tool, problem)
        self.tool = tool
        self.problem = problem

    def __str__(self) -> str:
        return f"tool {self.tool}: {self.problem}"


class AgentDefinitionError(AgentError):
    """The definition of an agent has a mistake."""

    def __init__(self, agent: str, problem: str) -> None:
        super().__init__(agent, problem)
        self.agent = agent
        self.problem = problem

    def __str__(self) -> str:
        return f"agent {self.agent}: {self.problem}"


class CatalogDefinitionError(AgentError, ValueError):
    """The agents of a deployment do not make a catalog; `problem` is a sentence about it."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"catalog: {self.problem}"


class MiddlewareDefinitionError(AgentError):
    """A middleware was made with arguments that it cannot take."""

    def __init__(self, middleware: str, problem: str) -> None:
        super().__init__(middleware, problem)
        self.middleware = middleware
        self.problem = problem

    def __str__(self) -> str:
        return f"middleware {self.middleware}: {self.problem}"


class McpDefinitionError(AgentError):
    """The definition of an MCP server has a mistake."""

    def __init__(self, server: str, problem: str) -> None:
        super().__init__(server, problem)
        self.server = server
        self.problem = problem

    def __str__(self) -> str:
        return f"MCP server {self.server}: {self.problem}"


class MiddlewareError(AgentError):
    """A callback of a middleware failed; the cause is chained."""

    def __init__(self, middleware: str, callback: str) -> None:
        super().__init__(middleware, callback)
        self.middleware = middleware
        self.callback = callback

    def __str__(self) -> str:
        return f"the middleware {self.middleware} failed in {self.callback}"


class UnstorableValue(AgentError):
    """The log cannot hold a value of foreign code; `problem` is the end of a sentence about it."""

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(what, problem)
        self.what = what
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.what} cannot be stored: {self.problem}"


class TurnStopped(AgentError):
    """Raised by middleware on purpose: the turn fails with this `reason` (a stable code) and `message` (for users)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message


class UnknownAgent(AgentError):
    """The caller named an agent that this deployment does not define."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"no agent is named {self.name!r}"


class UnreadableRecord(AgentError):
    """The log holds a record that this version cannot read; the conversation is not changed."""

    def __init__(self, seq: int, problem: str) -> None:
        super().__init__(seq, problem)
        self.seq = seq
        self.problem = problem

    def __str__(self) -> str:
        return f"record {self.seq} cannot be read: {self.problem}"


class InvalidImport(AgentError):
    """The file of a conversation cannot be read back; `line` is the number of the line that shows it, from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(line, problem)
        self.line = line
        self.problem = problem

    def __str__(self) -> str:
        return f"line {self.line}: {self.problem}"


class NewerRecord(UnreadableRecord):
    """Newer code has written to the log; this code must not touch it."""


TRANSIENT_CODES = frozenset({"terminating", "too_many_turns", "queue_full", "cluster_full", "overloaded"})
"""The codes of refusals that pass by themselves: the same request may be accepted a little later."""


class Refused(AgentError):
    """The request is illegal in the present state, and nothing was written.

    `code` is stable, `members` are for programs.
    """

    def __init__(self, code: str, detail: str, members: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, detail)  # what a process with older code takes
        self.code = code
        self.detail = detail
        self.members = members or {}

    @property
    def is_transient(self) -> bool:
        """Whether the same request may be accepted a little later."""
        return self.code in TRANSIENT_CODES

    def __str__(self) -> str:
        return self.detail


class TurnError(AgentError):
    """The turn that a caller waited for has failed; `reason` is a stable code, `message` is fit for users."""

    def __init__(self, reason: str, message: str, turn: int) -> None:
        super().__init__(reason, message, turn)
        self.reason = reason
        self.message = message
        self.turn = turn

    def __str__(self) -> str:
        return self.message


class Superseded(AgentError):
    """This incarnation may not go on: a newer one has claimed the log, or it is leaving. Go through the door again."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(conversation_id)
        self.conversation_id = conversation_id

    def __str__(self) -> str:
        return f"another incarnation of {self.conversation_id} has taken over"

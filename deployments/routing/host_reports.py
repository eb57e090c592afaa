"""What a host tells of itself and of the conversations in it, when an operator asks for all of them."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

ALL = "*"
"""How the question begins, which stands where else the id of a conversation does: none begins with this sign."""


class ListedConversation(TypedDict):
    """A conversation that lives in a host; times are milliseconds since 1970, None: no turn runs."""

    id: str
    agent: str
    state: str
    turn: int
    turn_began_at: int | None
    progress_at: int
    waits_for: list[Mapping[str, str]]


class RecentSlot(TypedDict):
    """What a host has counted in some seconds: `number` is that of the slot since 1970 (`deployments.overview.recent`).

    `outcomes` are of the turns that have ended. Durations are counted by buckets (`deployments.overview.histogram`);
    `cost` is in millionths of a dollar.
    """

    number: int
    outcomes: Mapping[str, int]
    first_token: Mapping[int, int]
    turn_time: Mapping[int, int]
    tokens: int
    cost: int


class NodeUse(TypedDict):
    """What of a node is in use, as a process on it sees it; `processor` is a share of its `cores`, memory in bytes."""

    processor: float | None
    cores: float
    memory_used: int
    memory_size: int


class HostReport(TypedDict):
    """`memory` is in bytes; `conversations` are in the host, `working` of them work, `listed` are some of them.

    `states` counts them by their states, `hibernating` is how many have left for now and keep their place here.
    A host with older code does not say what is not required.
    """

    pid: int
    memory: int | None
    code_version: int
    conversations: int
    working: int
    listed: list[ListedConversation]
    states: NotRequired[Mapping[str, int]]
    hibernating: NotRequired[int]
    recent: NotRequired[list[RecentSlot]]
    node_use: NotRequired[NodeUse]


def question(limit: int) -> str:
    """Asks for a report with so many conversations: the turns that run for longest, then what has moved last."""
    return f"{ALL}{limit}"


def asked_limit(conversation_id: str) -> int | None:
    """How many conversations a report is asked for; None if this is the id of a conversation."""
    return int(conversation_id[len(ALL) :]) if conversation_id.startswith(ALL) else None


def as_report(answer: Any) -> HostReport | None:  # noqa: ANN401 - the method that is asked has another answer, too
    """The answer to a question; None from a host with older code, which does not know it."""
    report: HostReport | None = answer
    return report

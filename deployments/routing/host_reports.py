"""What a host tells of itself and of the conversations in it, when an operator asks for all of them."""

from collections.abc import Mapping
from typing import Any, TypedDict

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


class HostReport(TypedDict):
    """`memory` is in bytes; `conversations` are in the host, `working` of them work, `listed` are some of them."""

    pid: int
    memory: int | None
    code_version: int
    conversations: int
    working: int
    listed: list[ListedConversation]


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

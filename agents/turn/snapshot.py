"""The fold of a log up to a point of rest as plain data, kept in a summary: earlier events need not be read."""

from collections.abc import Mapping
from typing import Any

from agents.turn.facts import Facts


def take_snapshot(facts: Facts) -> dict[str, Any]:
    """`facts` as JSON; raises ValueError unless they are at rest, without an open call or a queued message."""
    if facts.running or facts.queued or facts.calls:
        raise ValueError("only a conversation at rest can be put aside")
    return {
        "turn": facts.turn,
        "step": facts.step,
        "principal": facts.principal,
        "self_started": facts.self_started,
        "state": facts.state,
        "usage": facts.usage,
        "summarised": facts.summarised,
    }


def restore_snapshot(base: Mapping[str, Any], after: int) -> Facts:
    """The facts of a snapshot that was taken at seq `after`."""
    return Facts(last_seq=after, **base)

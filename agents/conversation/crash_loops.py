"""Turns that may end their process: when such a turn has to run apart from all others, and when it is ended itself.

If several turns ran in a process that died, nothing tells which of them has ended it. So such deaths only make a turn
suspect: after two of them it goes on in a process of its own. If that dies as well, the turn is the cause and is ended.
One that only ran beside the cause completes there.
"""

from agents.turn.states import ExitReason
from store import ConversationMeta
from store.records import Losses

MAX_LOST = 3
"""After so many incarnations in a row that died at a turn without any progress, the last one by itself, it is ended."""


def must_end(lost: Losses) -> bool:
    """Whether the next incarnation ends the turn."""
    return lost.count >= MAX_LOST and lost.last_by_itself


def must_be_alone(meta: ConversationMeta) -> bool:
    """Whether the conversation, which lives nowhere, goes on in a process of its own only: its next death counts."""
    lost = _at_next_claim(meta)
    return lost.count >= MAX_LOST - 1 and not must_end(lost)


def _at_next_claim(meta: ConversationMeta) -> Losses:
    """With the last writer, if it has died since it claimed."""
    has_failed = meta.exit == ExitReason.FAILED
    if has_failed or (meta.place is not None and meta.exit is None):
        return Losses(meta.lost.count + 1, has_failed or meta.is_alone)
    return meta.lost

"""Describes a host and what lives in it, for operators."""

import heapq
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from agents.conversation import Conversation
from deployments.overview.node_use import NodeUseReader
from deployments.overview.recent import RecentFigures
from deployments.routing.code_version import CodeVersion
from deployments.routing.host_reports import HostReport, ListedConversation

STATM = Path("/proc/self/statm")


class HostReporter:
    """Of one host: `recent` is what its conversations have done lately."""

    def __init__(self, version: CodeVersion, recent: RecentFigures) -> None:
        self._version = version
        self._recent = recent
        self._node_use = NodeUseReader()

    def report(self, active: Sequence[Conversation], hibernating: int, limit: int) -> HostReport:
        """With at most `limit` of the conversations: the turns that run for longest, then what has moved last."""
        return HostReport(
            pid=os.getpid(),
            memory=_resident_bytes(),
            code_version=self._version.number,
            conversations=len(active),
            working=sum(conversation.resting_since is None for conversation in active),
            listed=[_describe(one) for one in heapq.nsmallest(limit, active, key=_rank)],
            states=dict(Counter(conversation.state.value for conversation in active)),
            hibernating=hibernating,
            recent=self._recent.report(),
            node_use=self._node_use.read(),
        )


def _rank(conversation: Conversation) -> tuple[bool, int, str]:
    resting_since = conversation.resting_since
    if resting_since is None:
        return False, conversation.turn_began_at or 0, conversation.id
    return True, -resting_since, conversation.id


def _describe(conversation: Conversation) -> ListedConversation:
    status = conversation.inspect()
    return ListedConversation(
        id=conversation.id,
        agent=conversation.agent.name,
        state=status.state,
        turn=status.turn,
        turn_began_at=conversation.turn_began_at,
        progress_at=status.progress_at,
        waits_for=list(status.waits_for),
    )


def _resident_bytes() -> int | None:
    """None where the system does not say it so."""
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None

"""Of any log, reduced or cut at any place, the model gets a request that its provider accepts."""

from collections.abc import Sequence
from typing import Any

import orjson
from hypothesis import settings
from hypothesis.stateful import invariant

from agents.conversation.history import History
from agents.middleware.compaction.reducers import Reduction
from agents.middleware.pipeline.exchange import Request
from agents.projection import as_seen, project
from agents.turn import Event, Facts, Logged
from agents.turn.inputs import ModelRef
from tests.agents.conversation.test_context_of_any_log import AnyLog
from tests.messages_api.rules import check_request


def check_messages(messages: Sequence[Any]) -> None:
    """Fail if the provider would refuse these messages."""
    check_request({"model": "m", "max_tokens": 1, "messages": orjson.loads(orjson.dumps(list(messages)))})


def results(messages: Sequence[Any]) -> list[str]:
    """The ids of the calls that have results, in order."""
    blocks = (block for message in messages for block in message["content"])
    return [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]


class AnyCompactedLog(AnyLog):
    """Any log; at each model call, every possible cut is tested."""

    @invariant()
    def every_reduction_is_accepted(self) -> None:
        ref = self.harness.machine.model
        if ref is None:
            return
        events = as_seen(self.harness.events, ref.turn)
        whole = Request(system=[], messages=project(events, ref), tools=(), max_tokens=1)
        for turn in range(1, ref.turn + 1):
            reduced = Reduction(stubbed=(turn, 1), first_turn=turn).apply(whole, events).messages
            check_messages(reduced)
            kept = project([event for event in events if event.turn >= turn], ref)
            assert results(reduced) == results(kept), "exactly the earlier turns are left out"

    @invariant()
    def every_quiescent_point_is_a_safe_cut(self) -> None:
        ref = self.harness.machine.model
        if ref is None:
            return
        logged = [Logged(seq, 0, event) for seq, event in enumerate(self.harness.events, 1)]
        for rest in History(Facts(), None, logged).quiescent_points:
            self._check_cut(self.harness.events[: rest.seq], self.harness.events[rest.seq :], ref)

    def _check_cut(self, before: Sequence[Event], after: Sequence[Event], ref: ModelRef) -> None:
        whole, shown = project([*before, *after], ref), project(after, ref)
        check_messages(shown)
        assert results(whole) == results(project(before, ref)) + results(shown)


TestAnyCompactedLog = AnyCompactedLog.TestCase
TestAnyCompactedLog.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)

"""However a log came about: wherever it is reduced or cut, the model is shown a request that its provider accepts."""

from collections.abc import Sequence
from typing import Any

import orjson
from hypothesis import settings
from hypothesis.stateful import invariant

from agents.conversation.history import History
from agents.middleware.compaction.reducers import Reduction
from agents.middleware.pipeline.exchange import Request
from agents.projection import project
from agents.turn import Event, Facts, Logged
from agents.turn.inputs import ModelRef
from tests.agents.conversation.test_context_of_any_log import AnyLog
from tests.messages_api.rules import check_request


def check(messages: Sequence[Any]) -> None:
    """What the provider would say."""
    check_request({"model": "m", "max_tokens": 1, "messages": orjson.loads(orjson.dumps(list(messages)))})


def results(messages: Sequence[Any]) -> list[str]:
    """Which calls have their results, in order."""
    blocks = (block for message in messages for block in message["content"])
    return [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]


class AnyCompactedLog(AnyLog):
    """The same scenes; at each model call every cut that could be made is made."""

    @invariant()
    def every_reduction_is_accepted(self) -> None:
        ref = self.scene.machine.model
        if ref is None:
            return
        events = self.scene.events
        whole = Request(system=[], messages=project(events, ref), tools=(), max_tokens=1)
        for turn in range(1, ref.turn + 1):
            reduced = Reduction(stubbed=(turn, 1), first_turn=turn).apply(whole, events).messages
            check(reduced)
            kept = project([event for event in events if event.turn >= turn], ref)
            assert results(reduced) == results(kept), "neither more nor less than the turns before is left out"

    @invariant()
    def every_point_of_rest_is_a_safe_cut(self) -> None:
        ref = self.scene.machine.model
        if ref is None:
            return
        logged = [Logged(seq, 0, event) for seq, event in enumerate(self.scene.events, 1)]
        for rest in History(Facts(), None, logged).quiescent_points:
            self._check_cut(self.scene.events[: rest.seq], self.scene.events[rest.seq :], ref)

    def _check_cut(self, before: Sequence[Event], behind: Sequence[Event], ref: ModelRef) -> None:
        whole, shown = project([*before, *behind], ref), project(behind, ref)
        check(shown)
        assert results(whole) == results(project(before, ref)) + results(shown)


TestAnyCompactedLog = AnyCompactedLog.TestCase
TestAnyCompactedLog.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)

"""After any sequence of inputs, the model is shown a request that its provider accepts."""

from dataclasses import replace
from typing import Any

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agents.projection import as_seen, project
from agents.turn import Limits, State
from agents.turn.events import AssistantMsg, ToolCall
from agents.turn.inputs import (
    Cancel,
    ModelFailed,
    ModelFinished,
    Partial,
    ProposedCall,
    RecordDelivery,
    Resolve,
    ToolFinished,
    UserMessage,
)
from tests.messages_api.rules import check_request
from tests.support.turn_harness import TurnHarness, text

THOUGHT = ({"type": "thinking", "thinking": "hm", "signature": "c2ln"},)

said = st.sampled_from([text("words"), text("more words")])
answered = st.sampled_from([(), text(" "), text("words"), THOUGHT, (*THOUGHT, *text("words")), (*text(""), *text("x"))])
cut_off = st.none() | st.builds(
    Partial, message_id=st.just("cut off"), content=st.sampled_from([text("half"), text(" ")])
)
executors = st.sampled_from([("server", "auto"), ("server", "required"), ("client", "required"), ("human", "auto")])
proposals = st.lists(st.tuples(executors, st.sampled_from([None, None, "No such tool."])), max_size=3)


class AnyLog(RuleBasedStateMachine):
    """Drives the harness of the turn tests; at each model call the projection is put before the provider's rules."""

    def __init__(self) -> None:
        super().__init__()
        self.harness = TurnHarness(Limits(model_calls=5, blank_answers=1))
        self.calls = 0

    @rule(
        content=said,
        on_busy=st.sampled_from(["queue", "interrupt", "steer"]),
        partial=cut_off,
        channel=st.sampled_from([None, "telegram"]),
    )
    def send_message(self, content: Any, on_busy: Any, partial: Partial | None, channel: str | None) -> None:
        self.harness.feed(UserMessage(content=content, on_busy=on_busy, partial=partial, channel=channel))

    @precondition(lambda self: any(isinstance(event, AssistantMsg) for event in self.harness.events))
    @rule(data=st.data(), sent=st.sampled_from([None, "", "a part"]), is_whole=st.booleans())
    def deliver(self, data: st.DataObject, sent: str | None, is_whole: bool) -> None:
        answer = data.draw(st.sampled_from([e for e in self.harness.events if isinstance(e, AssistantMsg)]))
        self.calls += 1
        bubbles = [] if sent is None else [{"guid": "0", "message_id": answer.message_id, "at": 1, "text": sent}]
        unsent = [] if is_whole else [{"guid": "1", "message_id": answer.message_id, "reason": "cancelled"}]
        delivery = RecordDelivery(chain=f"chain{self.calls}", channel="telegram", turn=answer.turn)
        self.harness.feed(replace(delivery, bubbles=bubbles, unsent=unsent))

    @precondition(lambda self: self.harness.machine.model is not None)
    @rule(content=answered, proposed=proposals, paused=st.booleans(), searches=st.booleans())
    def model_answers(self, content: Any, proposed: list[Any], paused: bool, searches: bool) -> None:
        self.harness.start_model()
        found = [_found(call) for call in self._running_at_the_provider()]
        searching = [self._search()] if paused and searches and not proposed else []
        ref = self.harness.model_call
        calls = [self._call(executor, approval, refusal) for (executor, approval), refusal in proposed]
        references = [{"type": "tool_call", "tool_call_id": call.tool_call_id} for call in calls]
        self.harness.feed(
            ModelFinished(
                ref=ref,
                message_id=f"m{ref.turn}.{ref.step}.{ref.attempt}",
                content=[*found, *content, *searching, *references],
                calls=calls,
                stop_reason="pause_turn" if paused else "end_turn",
            )
        )

    @precondition(lambda self: self.harness.machine.model is not None)
    @rule(partial=cut_off)
    def model_fails(self, partial: Partial | None) -> None:
        self.harness.start_model()
        self.harness.feed(
            ModelFailed(ref=self.harness.model_call, reason="stream_broken", detail="It broke.", partial=partial)
        )

    @precondition(lambda self: self.harness.machine.facts.dispatched)
    @rule(data=st.data(), content=st.sampled_from(["", "done", text("a block")]))
    def tool_finishes(self, data: st.DataObject, content: Any) -> None:
        facts = self.harness.machine.facts
        key = data.draw(st.sampled_from(list(facts.dispatched)))
        self.harness.feed(ToolFinished(turn=facts.turn, tool_call_id=key, content=content))

    @precondition(lambda self: self.harness.machine.facts.suspended)
    @rule(data=st.data(), decision=st.sampled_from(["approve", "reject", "respond"]))
    def decide(self, data: st.DataObject, decision: Any) -> None:
        key = data.draw(st.sampled_from(list(self.harness.machine.facts.suspended)))
        answer = "my answer" if decision == "respond" else None
        self.harness.feed(Resolve(tool_call_id=key, decision=decision, answer=answer))

    @precondition(lambda self: self.harness.state is not State.IDLE)
    @rule(partial=cut_off)
    def cancel(self, partial: Partial | None) -> None:
        self.harness.feed(Cancel(partial=partial))

    @rule()
    def the_process_dies(self) -> None:
        self.harness.crash()

    @invariant()
    def the_provider_accepts_the_request(self) -> None:
        ref = self.harness.machine.model
        if ref is not None:
            seen = as_seen(self.harness.events, ref.turn)
            messages = orjson.loads(orjson.dumps(project(seen, ref)))  # as it travels
            check_request({"model": "m", "max_tokens": 1, "messages": messages})
            self._nothing_is_missing(messages, ref.turn)

    def _nothing_is_missing(self, messages: list[dict[str, Any]], turn: int) -> None:
        shown = {block["id"] for m in messages for block in m["content"] if block["type"] == "tool_use"}
        assert shown == {e.tool_call_id for e in self.harness.events if isinstance(e, ToolCall) and e.turn <= turn}

    def _running_at_the_provider(self) -> list[dict[str, Any]]:
        """What it had begun when it paused, and now brings to its end."""
        last = project(self.harness.events, self.harness.model_call)[-1]
        finished = {block.get("tool_use_id") for block in last["content"]}
        calls = [block for block in last["content"] if block["type"] == "server_tool_use"]
        return [call for call in calls if call["id"] not in finished]

    def _search(self) -> dict[str, Any]:
        self.calls += 1
        return {"type": "server_tool_use", "id": f"srvtoolu_{self.calls}", "name": "web_search", "input": {}}

    def _call(self, executor: Any, approval: Any, refusal: str | None) -> ProposedCall:
        self.calls += 1
        key = f"call{self.calls}"
        return ProposedCall(
            tool_call_id=key, name="tool", arguments={}, executor=executor, approval=approval, refusal=refusal
        )


def _found(call: dict[str, Any]) -> dict[str, Any]:
    return {"type": "web_search_tool_result", "tool_use_id": call["id"], "content": []}


TestAnyLog = AnyLog.TestCase
TestAnyLog.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)

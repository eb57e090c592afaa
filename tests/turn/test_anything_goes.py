"""Any inputs in any order, with crashes at any moment: the invariants hold and every turn ends."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agents.turn import Input, Limits, State
from agents.turn.events import TurnEnded
from agents.turn.inputs import (
    Cancel,
    Expire,
    ModelFailed,
    ModelFinished,
    ModelInterrupted,
    ModelRef,
    ModelStarted,
    Partial,
    Patch,
    Patched,
    ProposedCall,
    Question,
    RecordDelivery,
    Recover,
    Resolve,
    Stop,
    Summarised,
    ToolFinished,
    ToolInterrupted,
    UserMessage,
)
from tests.support.invariants import check_at_rest, check_log, check_speakers
from tests.support.turn_harness import TurnHarness, text
from tests.support.turn_stages import ask

LIMITS = Limits(model_calls=4, self_started=2, blank_answers=1)
NEVER = 10_000

principals = st.sampled_from(["ann", "bob", None])
contents = st.sampled_from([(), text(" "), text("words"), text("more words")])
partials = st.none() | st.builds(Partial, message_id=st.just("cut off"), content=contents)
arguments = st.dictionaries(st.sampled_from("pq"), st.integers(0, 3), max_size=2)
deadlines = st.none() | st.sampled_from([10, 20, 30])
mostly: st.SearchStrategy[bool] = st.sampled_from([True, True, True, True, False])

tools = st.fixed_dictionaries(
    {
        "name": st.just("tool"),
        "arguments": arguments,
        "expires_at": deadlines,
        "on_unknown_outcome": st.sampled_from(["repeat", "report"]),
        "refusal": st.sampled_from([None, None, None, "No such tool."]),
        "ends_turn": st.sampled_from([False, False, True]),
    }
)
ways = st.sampled_from(
    [
        ("server", "auto"),
        ("server", "required"),
        ("client", "auto"),
        ("client", "required"),
        ("human", "auto"),
    ]
)
proposals = st.lists(st.tuples(tools, ways), max_size=3)

changes = st.dictionaries(st.sampled_from("xy"), st.none() | st.integers(0, 3), max_size=2)
patches = st.lists(st.builds(Patch, source=st.sampled_from(["notes", "plan"]), changes=changes), max_size=2)
extras = st.fixed_dictionaries(
    {
        "asks": st.sampled_from([0, 0, 0, 1]),
        "feedback": st.sampled_from([(), (), (), text("once more")]),
        "stop": st.sampled_from([None, None, None, ("budget_exhausted", "Enough.")]),
        "patches": patches,
    }
)

messages = st.builds(
    UserMessage,
    content=contents,
    on_busy=st.sampled_from(["reject", "queue", "interrupt", "steer"]),
    principal=principals,
    origin=st.sampled_from(["user", "user", "agent", "schedule", "batch"]),
    partial=partials,
    channel=st.sampled_from([None, "telegram"]),
)
cancels = st.builds(Cancel, principal=principals, partial=partials)


class Anything(RuleBasedStateMachine):
    """Drives one harness, which checks the invariants of every step, with inputs of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.harness = TurnHarness(LIMITS)
        self.refs = [ModelRef(1, 1), ModelRef(0, 0)]
        self.keys = ["unknown"]
        self.dies = False
        self.chains = 0

    def happen(self, happened: Input) -> None:
        """Give the machine this input; sometimes the incarnation dies as soon as it is durable."""
        if self.dies:
            self.harness.crash_after_append(happened)
        else:
            self.harness.feed(happened)
        self.dies = False
        if self.harness.machine.model is not None:
            self.refs.append(self.harness.machine.model)

    def ref(self, data: st.DataObject) -> ModelRef:
        """The running model call, or any earlier one."""
        current = self.harness.machine.model
        if current is not None and data.draw(mostly):
            return current
        return data.draw(st.sampled_from(self.refs), "model call")

    def key(self, data: st.DataObject) -> str:
        """An open call, or any earlier one."""
        still_open = list(self.harness.machine.facts.calls)
        if data.draw(mostly) and still_open:
            return data.draw(st.sampled_from(still_open), "call")
        return data.draw(st.sampled_from(self.keys), "call")

    def new_call(self, tool: dict[str, Any], way: tuple[str, str]) -> ProposedCall:
        self.keys.append(f"call{len(self.keys)}")
        executor, approval = way
        return ProposedCall(tool_call_id=self.keys[-1], executor=executor, approval=approval, **tool)  # type: ignore[arg-type]

    def new_ask(self) -> ProposedCall:
        self.keys.append(f"ask{len(self.keys)}")
        return ask(self.keys[-1])

    @rule(message=messages)
    def person_writes(self, message: UserMessage) -> None:
        self.happen(message)

    @rule(data=st.data())
    def model_starts(self, data: st.DataObject) -> None:
        self.happen(ModelStarted(ref=self.ref(data)))

    @rule(data=st.data(), content=contents, calls=proposals, paused=st.booleans(), more=extras)
    def model_finishes(
        self,
        data: st.DataObject,
        content: tuple[Any, ...],
        calls: list[tuple[dict[str, Any], tuple[str, str]]],
        paused: bool,
        more: dict[str, Any],
    ) -> None:
        ref = self.ref(data)
        if self.harness.state is State.PREPARING and ref == self.harness.machine.model:
            self.happen(ModelStarted(ref=ref))
        self.happen(
            ModelFinished(
                ref=ref,
                message_id="answer",
                content=content,
                calls=[self.new_call(tool, way) for tool, way in calls],
                stop_reason="pause_turn" if paused else "end_turn",
                asks=[self.new_ask() for _ in range(more["asks"])],
                feedback=more["feedback"],
                stop=more["stop"],
                patches=more["patches"],
            )
        )

    @rule(data=st.data(), count=st.integers(1, 2), patches=patches)
    def middleware_asks(self, data: st.DataObject, count: int, patches: list[Patch]) -> None:
        asks = [self.new_ask() for _ in range(count)]
        self.happen(ModelInterrupted(ref=self.ref(data), asks=asks, patches=patches))

    @rule(data=st.data(), kind=st.sampled_from(["approval", "elicitation"]), expires_at=deadlines, patches=patches)
    def tool_asks(self, data: st.DataObject, kind: Any, expires_at: int | None, patches: list[Patch]) -> None:
        question = Question(kind=kind, prompt="Sure?", expires_at=expires_at)
        turn = self.harness.machine.facts.turn
        self.happen(ToolInterrupted(turn=turn, tool_call_id=self.key(data), question=question, patches=patches))

    @rule(changes=changes)
    def middleware_remembers(self, changes: dict[str, Any]) -> None:
        self.happen(Patched(patch=Patch(source="notes", changes=changes)))

    @rule(data=st.data())
    def conversation_is_summarised(self, data: st.DataObject) -> None:
        through = data.draw(st.integers(0, self.harness.machine.facts.turn + 1), "turn")
        self.happen(Summarised(text="All was said.", through_turn=through, after=0, base={}))

    @rule(data=st.data(), sent=st.integers(0, 2), unsent=st.integers(0, 1))
    def channel_delivers(self, data: st.DataObject, sent: int, unsent: int) -> None:
        turn = data.draw(st.integers(0, self.harness.machine.facts.turn + 1), "turn")
        self.chains += 1
        bubbles = [{"guid": f"{n}", "message_id": "answer", "at": 1, "text": "words"} for n in range(sent)]
        left = [{"guid": f"{sent + n}", "message_id": "answer", "reason": "cancelled"} for n in range(unsent)]
        chain = f"chain{self.chains}"
        self.happen(RecordDelivery(chain=chain, channel="telegram", turn=turn, bubbles=bubbles, unsent=left))

    @rule(data=st.data())
    def no_client_is_there(self, data: st.DataObject) -> None:
        self.happen(Expire(tool_call_id=self.key(data), now=5, unattended=True))

    @rule(data=st.data(), partial=partials)
    def model_fails(self, data: st.DataObject, partial: Partial | None) -> None:
        self.happen(ModelFailed(ref=self.ref(data), reason="overloaded", detail="Busy.", partial=partial))

    @rule(data=st.data(), status=st.sampled_from(["ok", "error", "timeout"]), current=mostly)
    def tool_finishes(self, data: st.DataObject, status: Any, current: bool) -> None:
        turn = self.harness.machine.facts.turn if current else data.draw(st.integers(0, 5), "turn")
        self.happen(ToolFinished(turn=turn, tool_call_id=self.key(data), content="done", status=status))

    @rule(
        data=st.data(),
        decision=st.sampled_from(["approve", "edit", "reject", "respond", "forge"]),
        edited=st.none() | arguments,
        answer=st.sampled_from([None, "", "yes", {"a": [1]}]),
        principal=principals,
        expires_at=deadlines,
    )
    def person_decides(
        self, data: st.DataObject, decision: Any, edited: Any, answer: Any, principal: Any, expires_at: Any
    ) -> None:
        self.happen(
            Resolve(
                tool_call_id=self.key(data),
                decision=decision,
                arguments=edited if decision == "edit" or not data.draw(mostly) else None,
                answer=answer,
                principal=principal,
                expires_at=expires_at,
            )
        )

    @rule(data=st.data(), now=st.sampled_from([5, 10, 20, 30]))
    def time_passes(self, data: st.DataObject, now: int) -> None:
        self.happen(Expire(tool_call_id=self.key(data), now=now))

    @rule(cancel=cancels)
    def person_cancels(self, cancel: Cancel) -> None:
        self.happen(cancel)

    @rule(signal=st.sampled_from([Recover(), Stop()]))
    def incarnation_recovers_or_leaves(self, signal: Recover | Stop) -> None:
        self.happen(signal)

    @rule()
    def process_dies(self) -> None:
        self.harness.crash()

    @rule()
    def process_dies_after_the_next_append(self) -> None:
        self.dies = True

    @precondition(lambda self: self.harness.state is State.TERMINATING)
    @rule()
    def next_incarnation_takes_over(self) -> None:
        self.harness.crash()

    @invariant()
    def log_is_sound(self) -> None:
        check_log(self.harness.log)
        check_speakers(self.harness.log)

    def teardown(self) -> None:
        """Liveness: when every question is answered, each turn that began has ended, once."""
        come_to_rest(self.harness)
        facts = check_at_rest(self.harness.log)
        assert [e.turn for e in self.harness.events if isinstance(e, TurnEnded)] == list(range(1, facts.turn + 1))


def come_to_rest(harness: TurnHarness) -> None:
    """Answer every question, within a bound, until the running turn and the queued one have ended."""
    for _ in range(100):
        facts = harness.machine.facts
        if harness.state is State.IDLE:
            return
        if harness.state is State.TERMINATING:
            harness.crash()
        elif harness.machine.model is not None:
            harness.answer()
        elif facts.dispatched:
            harness.finish_tool(next(iter(facts.dispatched)))
        else:
            key = next(iter(facts.suspended))
            harness.feed(Expire(tool_call_id=key, now=NEVER))
            if harness.last.commands == ():
                harness.feed(Resolve(tool_call_id=key, decision="respond", answer="yes"))
    raise AssertionError(f"still {harness.state} after everything was answered")


TestAnythingGoes = Anything.TestCase
TestAnythingGoes.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

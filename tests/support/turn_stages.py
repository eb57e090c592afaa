"""Harnesses in each state of a turn, and the calls that a model proposes there."""

from agents.turn import Limits, State
from agents.turn.inputs import ProposedCall, Question, ToolInterrupted
from tests.support.turn_harness import TurnHarness

EXPIRES = 1_000


def server(key: str) -> ProposedCall:
    return ProposedCall(tool_call_id=key, name="lookup", arguments={"q": key})


def gated(key: str) -> ProposedCall:
    """A server call that needs an approval."""
    return ProposedCall(
        tool_call_id=key, name="announce", arguments={"text": key}, approval="required", expires_at=EXPIRES
    )


def question(key: str) -> ProposedCall:
    """A call that a person answers."""
    return ProposedCall(
        tool_call_id=key,
        name="ask",
        arguments={},
        executor="human",
        prompt="Which one?",
        expires_at=EXPIRES,
    )


def client(key: str) -> ProposedCall:
    """A call that the page of the user executes."""
    return ProposedCall(tool_call_id=key, name="locate", arguments={}, executor="client", expires_at=EXPIRES)


def gated_client(key: str) -> ProposedCall:
    return ProposedCall(
        tool_call_id=key,
        name="locate",
        arguments={"exact": False},
        executor="client",
        approval="required",
        prompt="May I?",
        expires_at=EXPIRES,
    )


def idle(limits: Limits | None = None) -> TurnHarness:
    return TurnHarness(limits or Limits())


def preparing(limits: Limits | None = None) -> TurnHarness:
    harness = idle(limits)
    harness.say()
    return harness


def streaming(limits: Limits | None = None) -> TurnHarness:
    harness = preparing(limits)
    harness.start_model()
    return harness


def with_calls(*calls: ProposedCall, limits: Limits | None = None) -> TurnHarness:
    """The model has answered with these calls: they run, or wait."""
    harness = preparing(limits)
    harness.answer("let me see", *calls)
    return harness


def executing(limits: Limits | None = None) -> TurnHarness:
    return with_calls(server("a"), limits=limits)


def awaiting(limits: Limits | None = None) -> TurnHarness:
    return with_calls(gated("g"), limits=limits)


def ask(key: str) -> ProposedCall:
    """A question of middleware to people."""
    return ProposedCall(
        tool_call_id=key,
        name="Budget",
        arguments={},
        executor="human",
        approval="required",
        prompt="Go on?",
        expires_at=EXPIRES,
        source="Budget",
    )


def asking(limits: Limits | None = None) -> TurnHarness:
    """A tool has begun, asked people something, and waits for them."""
    harness = executing(limits)
    question = Question(kind="approval", prompt="Sure?", expires_at=EXPIRES)
    harness.feed(ToolInterrupted(turn=1, tool_call_id="a", question=question))
    return harness


def queued(harness: TurnHarness) -> TurnHarness:
    """The same harness with a message held for the next turn."""
    harness.say("and then?", on_busy="queue")
    return harness


BUSY = {
    State.PREPARING: preparing,
    State.STREAMING: streaming,
    State.EXECUTING_TOOLS: executing,
    State.AWAITING_INPUT: awaiting,
}

"""Scenes brought to each state, and the calls that a model proposes in them."""

from agents.turn import Limits, State
from agents.turn.inputs import ProposedCall, Question, ToolInterrupted
from tests.support.scene import Scene

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


def idle(limits: Limits | None = None) -> Scene:
    return Scene(limits or Limits())


def preparing(limits: Limits | None = None) -> Scene:
    scene = idle(limits)
    scene.say()
    return scene


def streaming(limits: Limits | None = None) -> Scene:
    scene = preparing(limits)
    scene.start_model()
    return scene


def with_calls(*calls: ProposedCall, limits: Limits | None = None) -> Scene:
    """The model has answered with these calls: they run, or wait."""
    scene = preparing(limits)
    scene.answer("let me see", *calls)
    return scene


def executing(limits: Limits | None = None) -> Scene:
    return with_calls(server("a"), limits=limits)


def awaiting(limits: Limits | None = None) -> Scene:
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


def asking(limits: Limits | None = None) -> Scene:
    """A tool has begun, and waits for people."""
    scene = executing(limits)
    question = Question(kind="approval", prompt="Sure?", expires_at=EXPIRES)
    scene.feed(ToolInterrupted(turn=1, tool_call_id="a", question=question))
    return scene


def queued(scene: Scene) -> Scene:
    """The same scene with a message held for the next turn."""
    scene.say("and then?", on_busy="queue")
    return scene


BUSY = {
    State.PREPARING: preparing,
    State.STREAMING: streaming,
    State.EXECUTING_TOOLS: executing,
    State.AWAITING_INPUT: awaiting,
}

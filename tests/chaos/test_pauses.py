"""A pause is time in which a running turn has no event: not idle time, and not the time that people take."""

from agents.codec import encode
from agents.turn.events import AssistantMsg, Event, Resolution, Suspension, ToolCall, ToolResult, TurnEnded, UserMsg
from tests.chaos.evidence import Evidence, StoredTranscript
from tests.chaos.pauses import Pause, longest_pause

CALL = ToolCall(turn=1, tool_call_id="t", step=1, name="sign", arguments={})
TIMELINE: list[tuple[int, Event]] = [
    (1_000, UserMsg(turn=1, content=[])),
    (3_000, AssistantMsg(turn=1, message_id="m", step=1, content=[])),
    (3_000, CALL),
    (3_000, Suspension(turn=1, tool_call_id="t", kind="approval", executor="server", prompt="May I?")),
    (60_000, Resolution(turn=1, tool_call_id="t", decision="approve")),
    (67_500, ToolResult(turn=1, tool_call_id="t", content="signed")),
    (68_000, TurnEnded(turn=1, outcome="completed")),
    (200_000, UserMsg(turn=2, content=[])),
]


def logged(timeline: list[tuple[int, Event]]) -> Evidence:
    log = [{**encode(event, at), "seq": seq} for seq, (at, event) in enumerate(timeline, 1)]
    return Evidence([], {"c": StoredTranscript("c", log, len(log), None, unfinished=True)}, [])


def test_the_time_that_people_take_is_no_pause() -> None:
    assert longest_pause(logged(TIMELINE)) == Pause("c", 5, 60.0, 7.5)


def test_without_a_running_turn_there_is_no_pause() -> None:
    assert longest_pause(logged(TIMELINE[:1])) is None

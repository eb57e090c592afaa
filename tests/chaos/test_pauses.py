"""A pause is time in which a turn should have gone on: not rest, and not the time that people take."""

from agents.codec import encode
from agents.turn.events import AssistantMsg, Event, Resolution, Suspension, ToolCall, ToolResult, TurnEnded, UserMsg
from tests.chaos.evidence import Evidence, Transcript
from tests.chaos.pauses import Pause, longest

CALL = ToolCall(turn=1, tool_call_id="t", step=1, name="sign", arguments={})
COURSE: list[tuple[int, Event]] = [
    (1_000, UserMsg(turn=1, content=[])),
    (3_000, AssistantMsg(turn=1, message_id="m", step=1, content=[])),
    (3_000, CALL),
    (3_000, Suspension(turn=1, tool_call_id="t", kind="approval", executor="server", prompt="May I?")),
    (60_000, Resolution(turn=1, tool_call_id="t", decision="approve")),
    (67_500, ToolResult(turn=1, tool_call_id="t", content="signed")),
    (68_000, TurnEnded(turn=1, outcome="completed")),
    (200_000, UserMsg(turn=2, content=[])),
]


def logged(course: list[tuple[int, Event]]) -> Evidence:
    log = [{**encode(event, at), "seq": seq} for seq, (at, event) in enumerate(course, 1)]
    return Evidence([], {"c": Transcript("c", log, len(log), None, unfinished=True)}, [])


def test_the_longest_pause_is_that_of_a_turn_which_waits_for_nobody() -> None:
    assert longest(logged(COURSE)) == Pause("c", 5, 60.0, 7.5)


def test_where_nothing_ran_there_was_no_pause() -> None:
    assert longest(logged(COURSE[:1])) is None

"""A pause is time in which a running turn has no event: not idle time, and not the time that people take."""

from dataclasses import replace

from agents.codec import encode
from agents.turn.events import AssistantMsg, Event, Resolution, Suspension, ToolCall, ToolResult, TurnEnded, UserMsg
from tests.chaos.evidence import Evidence, StoredTranscript
from tests.chaos.nemesis import InjectedFault
from tests.chaos.notices import Notice
from tests.chaos.pauses import ExplainedPause, Pause, explain, longest_pause, takeovers

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


def test_a_takeover_is_a_pause_that_another_incarnation_ends() -> None:
    known = logged(TIMELINE)
    log = known.transcripts["c"].log
    # The third takes over while people are asked, the fourth at rest.
    writers = [Notice(1, epoch, log[begin:end]) for epoch, begin, end in ((1, 0, 1), (2, 1, 4), (3, 4, 7), (4, 7, 8))]
    assert takeovers(replace(known, notices={"c": writers})) == [Pause("c", 1, 1.0, 2.0)]


def test_the_time_for_which_a_fault_held_the_process_of_the_turn_is_told_apart() -> None:
    known = logged(TIMELINE)
    log = known.transcripts["c"].log
    notices = {"c": [Notice(1, 7, [], "host:a:1:0"), Notice(1, 7, log)]}
    injected = [
        InjectedFault("stop a node", "node-1 host:a:1:0 conversation:d", 58.0, 62.0),
        InjectedFault("cut off a process", "host:a:1:0", 61.0, 63.0),
        InjectedFault("cut off a process", "host:b:1:0", 60.0, 67.0),
        InjectedFault("stop Redis", "valkey-server", 66.0, 70.0),
        InjectedFault("kill a shared host", "host:a:1:0", 64.0, 64.0),
    ]
    longest = max(explain(replace(known, notices=notices), injected), key=lambda one: one.pause.seconds)
    assert longest == ExplainedPause(Pause("c", 5, 60.0, 7.5), "host:a:1:0", 4.5)
    assert longest.other_seconds == 3.0
    unknown = max(explain(known, injected), key=lambda one: one.pause.seconds)
    assert (unknown.place, unknown.fault_seconds) == (None, 1.5), "what nothing is known of counts for the system"

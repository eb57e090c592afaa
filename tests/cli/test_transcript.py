"""What a person sees of events, which a lossy broadcast and the log may bring in any order."""

import io
import json
from typing import Any

import httpx
from rich.console import Console

from deployments.cli.api import read_events
from deployments.cli.transcript import Transcript


class Screen:
    """A transcript, and what is on its screen."""

    def __init__(self) -> None:
        self._page = io.StringIO()
        console = Console(file=self._page, width=80)
        self.transcript = Transcript(console, console)

    def show(self, *events: dict[str, Any]) -> str:
        for event in events:
            self.transcript.show(event)
        return self._page.getvalue()


def delta(index: int, text: str, message_id: str = "m1") -> dict[str, Any]:
    return {"type": "text_delta", "message_id": message_id, "index": index, "next": index + 1, "text": text}


def answer(seq: int, text: str, status: str = "completed", message_id: str = "m1") -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"type": "assistant_msg", "seq": seq, "message_id": message_id, "content": content, "status": status}


def snapshot(state: str, last_seq: int, **pending: dict[str, Any]) -> dict[str, Any]:
    return {"type": "snapshot", "state": state, "last_seq": last_seq, "pending": pending}


def test_a_repeated_delta_is_shown_once() -> None:
    assert Screen().show(delta(0, "Hel"), delta(1, "lo"), delta(1, "lo"), answer(2, "Hello")) == "Hello\n"


def test_a_lost_delta_is_replaced_from_the_log() -> None:
    assert Screen().show(delta(0, "Hel"), delta(2, "!"), answer(2, "Hello!")) == "Hello!\n"


def test_text_that_starts_again_gets_its_own_line() -> None:
    assert Screen().show(delta(0, "Hel"), delta(0, "Good day")) == "Hel\nGood day"


def test_a_cut_answer_is_marked() -> None:
    assert Screen().show(answer(2, "Hel", status="cancelled")) == "Hel\n[cancelled]\n"


def test_an_event_of_the_log_is_shown_once() -> None:
    assert Screen().show(answer(2, "one"), answer(2, "one"), answer(3, "two", message_id="m2")) == "one\ntwo\n"


def test_the_text_of_a_model_cannot_command_the_terminal() -> None:
    assert Screen().show(answer(2, "\x1b]0;title\x07 red \x9b31m")) == "]0;title red 31m\n"


def test_it_rests_when_the_turn_has_ended() -> None:
    screen = Screen()
    screen.show({"type": "turn_started"}, delta(0, "x"))
    assert not screen.transcript.is_at_rest
    screen.show({"type": "turn_completed"})
    assert screen.transcript.is_at_rest


def test_it_knows_the_turn_that_runs_from_its_own_events_only() -> None:
    screen = Screen()
    turns = []
    for event in (
        {"type": "user_msg", "seq": 1, "turn": 1, "content": [], "client_id": None, "origin": "user"},
        {**answer(2, "one"), "turn": 1},
        {"type": "user_msg", "seq": 3, "turn": 2, "content": [], "client_id": None, "origin": "user"},
        {"type": "turn_ended", "seq": 4, "turn": 1, "outcome": "completed"},
        {**answer(5, "two", message_id="m2"), "turn": 2},
    ):
        screen.show(event)
        turns.append(screen.transcript.turn)
    assert turns == [None, 1, 1, None, 2]


def test_a_resumed_stream_rests_after_the_events_that_were_missed() -> None:
    screen = Screen()
    screen.show(answer(2, "one"), snapshot("idle", 3))
    assert not screen.transcript.is_at_rest
    screen.show({"type": "turn_ended", "seq": 3, "outcome": "completed", "reason": None, "detail": None})
    assert screen.transcript.is_at_rest


def test_an_unfinished_turn_does_not_rest_because_its_actor_is_gone() -> None:
    screen = Screen()
    screen.show(answer(2, "one"), snapshot("idle", 2))
    assert not screen.transcript.is_at_rest


def test_a_state_patch_after_the_end_of_a_turn_begins_no_turn() -> None:
    screen = Screen()
    screen.show({"type": "turn_ended", "seq": 3, "outcome": "completed", "reason": None, "detail": None})
    screen.show({"type": "state_patch", "seq": 4, "source": "ConversationTitle", "patch": {"done": True}})
    screen.show(snapshot("idle", 4))
    assert screen.transcript.is_at_rest


def test_waiting_calls_are_known_from_a_snapshot() -> None:
    screen = Screen()
    screen.transcript.last_seq = 4
    screen.show(snapshot("awaiting_input", 4, t1={"kind": "approval"}))
    assert screen.transcript.is_at_rest
    assert screen.transcript.pending == {"t1": {"kind": "approval"}}


def test_a_plan_is_shown_as_it_changes() -> None:
    todos = [{"text": "read", "status": "completed"}, {"text": "write", "status": "in_progress"}]
    kept = {"type": "state_patch", "seq": 4, "source": "TodoList", "patch": {"todos": todos}}
    assert Screen().show(kept, kept) == "  ☑ read\n  ▸ write\n"


def test_what_the_model_is_not_shown_is_a_line() -> None:
    left_out = {"pictures": [3], "turns": [1, 2], "dropped": [2], "first_turn": 1}
    shown_again = {"pictures": [], "turns": [], "dropped": None, "first_turn": 0}
    patches = [
        {"type": "state_patch", "seq": 4 + position, "source": "context", "patch": patch}
        for position, patch in enumerate((left_out, shown_again))
    ]
    shown = " ".join(Screen().show(*patches).split())
    assert shown == (
        "[left out for the model: turns dropped by a person: 2; turns refused by the provider: 1; "
        "turns whose pictures the provider refused: 3; all turns before 1] "
        "[the model is shown every turn again]"
    )


def test_what_other_middleware_keeps_is_not_shown() -> None:
    assert Screen().show({"type": "state_patch", "seq": 4, "source": "Budget", "patch": {"todos": [1]}}) == ""


def test_files_titles_sub_agents_and_summaries_are_a_line_each() -> None:
    shown = Screen().show(
        {"type": "title_changed", "title": "Tea\x07"},
        {"type": "file_changed", "path": "report.md", "version": 2},
        {"type": "file_changed", "path": "draft.md", "version": None},
        {"type": "tool_progress", "tool_call_id": "t1", "progress": {"conversation": "c.t1", "state": "streaming"}},
        {"type": "tool_progress", "tool_call_id": "t1", "progress": {"percent": 10}},
        {"type": "summary", "seq": 9, "text": "They drank tea.", "through_turn": 3},
    )
    assert shown.splitlines() == [
        "Title: Tea",
        "  ✎ report.md: version 2",
        "  ✎ draft.md: deleted",
        "  … sub-agent c.t1: streaming",
        '  … {"percent": 10}',
        "[what was said up to turn 3 is summarised for the agent]",
    ]


def test_heartbeats_are_no_events() -> None:
    lines = [": heartbeat", "", "event: turn_started", 'data: {"type":', 'data: "turn_started"}', "", "data: cut"]
    assert list(read_events(stream("\n".join(lines)))) == [{"type": "turn_started"}]


def test_an_event_is_read_whole_wherever_the_connection_cuts_it() -> None:
    text = "one line, \u2028 still one, \x85 and still"
    event = {"type": "text_delta", "text": text}
    lines = f"id: 1\r\nevent: text_delta\r\nunknown: x\r\ndata: {json.dumps(event, ensure_ascii=False)}\r\n\r\n"
    assert list(read_events(stream(lines, piece=3))) == [event]
    long = {"type": "text_delta", "text": "x" * 1_000_000}
    assert list(read_events(stream(f": heartbeat\n\ndata: {json.dumps(long)}\n\n: heartbeat\n\n"))) == [long]


def test_a_heartbeat_behind_an_event_with_an_id_is_no_event_either() -> None:
    lines = ["id: 7", "event: turn_ended", 'data: {"type": "turn_ended"}', "", ": heartbeat", "", "retry: 100", "", ""]
    assert list(read_events(stream("\n".join(lines)))) == [{"type": "turn_ended"}]


def stream(text: str, piece: int = 65_536) -> httpx.Response:
    """A response with these lines, which arrives in pieces of so many bytes."""
    content = text.encode()
    pieces = (content[start : start + piece] for start in range(0, len(content), piece))
    return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=pieces)


def test_the_place_in_the_line_of_starts_is_shown_when_it_changes() -> None:
    places = [{"type": "starting", "turn": 1, "place": place} for place in (3, 3, 1, 0)]
    assert Screen().show(*places, answer(2, "Hello")) == (
        "  … waiting for a process, number 3 in the line\n"
        "  … waiting for a process, number 1 in the line\n"
        "  … starting\n"
        "Hello\n"
    )


def test_a_traceback_in_the_log_is_told_of() -> None:
    crash = {"type": "tool_result", "tool_call_id": "t1", "status": "error", "turn": 3, "seq": 4}
    where = "`raylogue logs CONVERSATION --turn 3` shows the traceback."
    assert where in Screen().show({**crash, "content": "work failed with an internal error (call t1)."})
    assert where not in Screen().show({**crash, "content": "There is no such article."})
    end = {"type": "turn_ended", "outcome": "failed", "detail": "The turn failed.", "turn": 3, "seq": 5}
    assert where in Screen().show({**end, "reason": "middleware_failed"})
    assert where not in Screen().show({**end, "reason": "overloaded"})


def test_of_structured_output_the_object_alone_is_an_answer() -> None:
    page = io.StringIO()
    transcript = Transcript(Console(file=page, width=80), Console(quiet=True), objects_only=True)
    for event in (
        delta(0, '{"age": "old"}'),
        answer(2, '{"age": "old"}'),
        delta(0, 'Sorry: {"age": 7}', message_id="m2"),
        {**answer(3, 'Sorry: {"age": 7}', message_id="m2"), "output": {"age": 7}},
    ):
        transcript.show(event)
    assert json.loads(page.getvalue()) == {"age": 7}

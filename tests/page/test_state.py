"""The reducer of the page, run in the browser: snapshot, then tail, and a repeated event changes nothing."""

from typing import Any

import pytest

from tests.support.person import Person

pytestmark = pytest.mark.browser

WireEvent = dict[str, Any]

RUN = """async ([base, sequences]) => {
  const { initial, receive, turnToCancel } = await import(base + 'state.js');
  const { screenRows } = await import(base + 'screen_rows.js');
  return sequences.map(events => {
    const state = events.reduce(receive, initial);
    return { rows: screenRows(state, []), gap: state.hasGap, hole: state.hasHole, machine: state.machine,
      turn: turnToCancel(state) };
  });
}"""


def logged(seq: int, event_type: str, /, **fields: Any) -> WireEvent:
    return {"type": event_type, "seq": seq, "turn": 1, "at": 0, "principal": None, **fields}


def snapshot(last_seq: int, state: str) -> WireEvent:
    return {"type": "snapshot", "turn": 1, "state": state, "last_seq": last_seq, "pending": {}}


def delta(index: int, text: str, following: int) -> WireEvent:
    return {"type": "text_delta", "turn": 1, "message_id": "m1", "index": index, "next": following, "text": text}


QUESTION = logged(1, "user_msg", content=[{"type": "text", "text": "what is 6*7?"}], client_id="c1")
CALL = logged(3, "tool_call", tool_call_id="t1", name="calculator", arguments={"expression": "6*7"}, executor="server")
LOG = [
    QUESTION,
    logged(2, "assistant_msg", message_id="m1", content=[{"type": "text", "text": "a b c"}], status="completed"),
    CALL,
    logged(4, "suspension", tool_call_id="t1", kind="approval", prompt="?", expires_at=None),
    logged(5, "resolution", tool_call_id="t1", decision="approve"),
    logged(6, "tool_result", tool_call_id="t1", content="42", status="ok"),
    logged(7, "assistant_msg", message_id="m2", content=[{"type": "text", "text": "42"}], status="completed"),
    logged(8, "turn_ended", outcome="completed"),
]
STREAM = [snapshot(0, "idle"), QUESTION, delta(0, "a ", 1), delta(1, "b ", 2), delta(2, "c", 3), *LOG[1:]]


@pytest.fixture
def reduce(person: Person, modules: str) -> Any:
    """Runs sequences of events through the page's own modules."""
    return lambda *sequences: person.page.evaluate(RUN, [modules, list(sequences)])


def test_a_watcher_that_reconnected_anywhere_ends_with_the_same_rows(reduce: Any) -> None:
    reconnected = []
    for cut in range(1, len(STREAM)):
        seen = max((event.get("seq", 0) for event in STREAM[:cut]), default=0)
        reconnected.append([*STREAM[:cut], snapshot(len(LOG), "idle"), *LOG[seen:]])
    undisturbed, *others = reduce(STREAM, *reconnected)
    assert undisturbed["machine"] == "idle"
    for other in others:
        assert other == undisturbed


def test_a_repeated_event_changes_nothing(reduce: Any) -> None:
    once, twice = reduce(STREAM, [event for event in STREAM for _ in range(2)])
    assert twice == once


def test_a_repeated_delta_is_dropped_and_a_missing_one_is_noticed(reduce: Any) -> None:
    begun = [snapshot(0, "idle"), QUESTION, delta(0, "a ", 1), delta(1, "b ", 2)]
    repeated, torn, restarted = reduce(
        [*begun, delta(1, "b ", 2)], [*begun, delta(3, "d", 4)], [*begun, delta(3, "d", 4), delta(0, "a b c d", 4)]
    )
    assert repeated["rows"][-1]["text"] == "a b "
    assert (torn["rows"][-1]["text"], torn["hole"]) == ("a b ", True)
    assert restarted["rows"][-1]["text"] == "a b c d"


def test_a_late_delta_of_a_finished_message_changes_nothing(reduce: Any) -> None:
    clean, late = reduce(STREAM, [*STREAM, delta(0, "zombie", 1)])
    assert late["rows"] == clean["rows"]


def test_an_event_behind_a_gap_makes_no_row(reduce: Any) -> None:
    (result,) = reduce([snapshot(0, "idle"), QUESTION, CALL])
    assert result["gap"]
    assert [row["kind"] for row in result["rows"] if row["kind"] != "working"] == ["user"]


def test_the_log_alone_gives_the_state_of_the_machine(reduce: Any) -> None:
    prefixes = reduce(*[LOG[:length] for length in range(1, len(LOG) + 1)])
    assert [result["machine"] for result in prefixes] == [
        "preparing",
        "preparing",
        "executing_tools",
        "awaiting_input",
        "executing_tools",
        "preparing",
        "preparing",
        "idle",
    ]


def test_a_message_queued_during_a_turn_comes_after_it(reduce: Any) -> None:
    queued = logged(2, "user_msg", content=[{"type": "text", "text": "next"}], client_id="c2") | {"turn": 2}
    answer = logged(
        3, "assistant_msg", message_id="m1", content=[{"type": "text", "text": "first"}], status="completed"
    )
    ended = logged(4, "turn_ended", outcome="completed")
    waiting, begun = reduce([QUESTION, queued, answer], [QUESTION, queued, answer, ended])
    kinds = [(row["kind"], row.get("delivery")) for row in waiting["rows"] if row["kind"] != "working"]
    assert kinds == [("user", None), ("assistant", None), ("user", "queued")]
    assert "delivery" not in begun["rows"][2]


def test_a_cancel_names_the_turn_that_the_log_shows_running(reduce: Any) -> None:
    queued = logged(9, "user_msg", content=[], client_id="c2") | {"turn": 2}
    behind = logged(10, "assistant_msg", message_id="m3", content=[], status="completed") | {"turn": 2}
    shown = reduce([], LOG[:1], LOG[:6], LOG, [*LOG, queued], [*LOG, queued, behind])
    assert [state["turn"] for state in shown] == [1, 1, 1, 2, 2, 2]


def test_a_conversation_that_waits_for_a_process_says_so_until_it_works(reduce: Any) -> None:
    waits, starts = ({"type": "starting", "turn": 1, "place": place} for place in (2, 0))
    works = {"type": "state_changed", "turn": 1, "state": "preparing", "last_seq": 1}
    begun = [snapshot(0, "idle"), QUESTION]
    sequences = ([*begun, waits], [*begun, waits, starts], [*begun, waits, starts, works], [*begun, works, waits])
    labels = [seen["rows"][-1]["label"] for seen in reduce(*sequences)]
    waiting = "Waiting for a process, number 2 in the line"
    assert labels == [waiting, "Starting", "Thinking", waiting]
    [ended] = reduce([*begun, waits, logged(2, "turn_ended", outcome="cancelled"), waits])
    assert "working" not in [row["kind"] for row in ended["rows"]]


def test_the_list_says_what_a_conversation_does_and_why_it_does_it_again(person: Person, modules: str) -> None:
    says = "async ([base, items]) => items.map((await import(base + 'views/words.js')).activityOf)"
    shown = [("idle", "crash"), ("awaiting_input", "crash"), ("executing_tools", "idle"), ("preparing", "crash")]
    items = [{"state": state, "last_exit": last_exit} for state, last_exit in shown]
    assert person.page.evaluate(says, [modules, items]) == [
        "",
        "needs you",
        "running",
        "running, taken up again since its process died",
    ]

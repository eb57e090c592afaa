"""The rule of "snapshot, then tail": whenever a watcher reconnects, it ends with the rows of one that never left."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.ingress.streams.watcher_state import DELTAS, SequenceGap, WatcherState

Event = dict[str, Any]
Payload = dict[str, Any]


def logged(seq: int, kind: str = "user_msg", turn: int = 1, **fields: Any) -> Event:
    return {"type": kind, "v": 1, "seq": seq, "conversation_id": "c", "turn": turn, **fields}


def delta(index: int, text: str, message_id: str = "m", kind: str = "text_delta", turn: int = 1) -> Event:
    """A piece of an answer."""
    place = {"index": index, "next": index + len(text), "text": text}
    return {"type": kind, "conversation_id": "c", "turn": turn, "message_id": message_id, **place}


def payload(*events: Event, epoch: int = 1) -> Payload:
    return {"epoch": epoch, "events": list(events)}


def test_an_event_that_was_seen_is_dropped() -> None:
    state = WatcherState(last_seq=2)
    assert [event["seq"] for event in state.accept(payload(logged(1), logged(2), logged(3)))] == [3]
    assert list(state.accept(payload(logged(3)))) == []


def test_a_missing_event_is_a_gap() -> None:
    state = WatcherState(last_seq=2)
    with pytest.raises(SequenceGap):
        list(state.accept(payload(logged(4))))
    assert state.last_seq == 2


def test_a_delta_that_was_seen_is_dropped_and_an_overlap_is_cut() -> None:
    state = WatcherState()
    assert list(state.accept(payload(delta(0, "abc")))) == [delta(0, "abc")]
    assert list(state.accept(payload(delta(1, "bc")))) == []
    assert list(state.accept(payload(delta(1, "bcde")))) == [delta(3, "de")]


def test_a_missing_delta_is_a_gap() -> None:
    state = WatcherState()
    list(state.accept(payload(delta(0, "abc"))))
    with pytest.raises(SequenceGap):
        list(state.accept(payload(delta(4, "e"))))


def test_thinking_is_counted_on_its_own() -> None:
    state = WatcherState()
    list(state.accept(payload(delta(0, "abc", kind="thinking_delta"))))
    assert list(state.accept(payload(delta(0, "x")))) == [delta(0, "x")]


def test_another_message_starts_at_0_and_late_deltas_of_a_finished_one_are_dropped() -> None:
    state = WatcherState()
    done = logged(1, "assistant_msg", message_id="m")
    assert len(list(state.accept(payload(delta(0, "abc"), done)))) == 2
    assert list(state.accept(payload(delta(3, "late")))) == []
    assert list(state.accept(payload(delta(0, "x", "n")))) == [delta(0, "x", "n")]


def test_live_events_of_an_old_incarnation_are_dropped_but_its_log_counts() -> None:
    state = WatcherState(epoch=1)
    list(state.accept(payload({"type": "turn_started", "turn": 1}, epoch=2)))
    old = payload({"type": "state_changed", "turn": 1, "state": "idle"}, delta(0, "zombie"), logged(1), epoch=1)
    assert list(state.accept(old)) == [logged(1)]


def test_the_streaming_message_comes_from_its_beginning() -> None:
    state = WatcherState()
    answer = {"turn": 1, "message_id": "m", "text": "abc", "thinking": "hm"}
    assert list(state.accept_streaming("c", answer)) == [delta(0, "hm", kind="thinking_delta"), delta(0, "abc")]
    assert list(state.accept(payload(delta(1, "bcd")))) == [delta(3, "d")]


# A conversation as a list of broadcasts, and what a snapshot shows between any two of them.


@dataclass
class Past:
    """The log and the streaming message at one moment."""

    log: list[Event] = field(default_factory=list)
    answer: Event | None = None

    def after(self, events: Iterable[Event]) -> "Past":
        log, answer = list(self.log), dict(self.answer) if self.answer else None
        for event in events:
            if event["type"] in DELTAS:
                if answer is None or answer["message_id"] != event["message_id"]:
                    answer = {**event, "text": "", "thinking": ""}
                answer[DELTAS[event["type"]]] += event["text"]
            elif "v" in event:
                log.append(event)
                answer = None if event["type"] == "assistant_msg" else answer
        return Past(log, answer)


@dataclass
class Rows:
    """What a client makes of the events, by the rule for clients: every row has a key."""

    log: dict[int, Event] = field(default_factory=dict)
    parts: dict[tuple[str, str], str] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        if event["type"] in DELTAS:
            key = (event["message_id"], DELTAS[event["type"]])
            known = "" if event["index"] == 0 else self.parts.get(key, "")
            assert event["index"] <= len(known), "the client would show text with a hole"
            self.parts[key] = known[: event["index"]] + event["text"]
        elif "v" in event:
            self.log[event["seq"]] = event
            for part in DELTAS.values():
                self.parts.pop((event.get("message_id", ""), part), None)


@st.composite
def deltas(draw: st.DrawFn, message_id: str, kind: str, turn: int) -> list[Event]:
    """A text in pieces."""
    texts = draw(st.lists(st.text("abc", min_size=1, max_size=4), max_size=4))
    starts = accumulate(map(len, texts), initial=0)
    return [delta(start, text, message_id, kind, turn) for start, text in zip(starts, texts, strict=False)]


@st.composite
def histories(draw: st.DrawFn) -> list[list[Event]]:
    """The broadcasts of some turns with some answers each, cut into messages anywhere."""
    events: list[Event] = []
    seqs = count(1)
    for turn in range(1, draw(st.integers(1, 3)) + 1):
        events.append(logged(next(seqs), "user_msg", turn))
        for step in range(draw(st.integers(1, 2))):
            message_id = f"m{turn}{step}"
            for kind in ("thinking_delta", "text_delta"):
                events += draw(deltas(message_id, kind, turn))
            events.append(logged(next(seqs), "assistant_msg", turn, message_id=message_id))
        events.append(logged(next(seqs), "turn_ended", turn))
    cuts = sorted(draw(st.sets(st.integers(1, len(events)), max_size=len(events))))
    return [events[start:end] for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True)]


def snapshot(state: WatcherState, past: Past) -> Iterator[Event]:
    """What `deployments.ingress.streams.watch` shows first: the log after what was seen, then the streaming message."""
    for event in past.log[state.last_seq :]:
        yield from state.accept_canonical(event)
    if past.answer is not None:
        yield from state.accept_streaming("c", past.answer)


def watch(broadcasts: Sequence[Sequence[Event]], start: int, lost: frozenset[int], repeated: int) -> Rows:
    """A client that joins before broadcast `start`, loses some, and hears the last `repeated` ones again."""
    rows, state, past = Rows(), WatcherState(), Past()
    for events in broadcasts[:start]:
        past = past.after(events)
    for event in snapshot(state, past):
        rows.take(event)
    for number in range(max(0, start - repeated), len(broadcasts)):
        if number >= start:
            past = past.after(broadcasts[number])
        if number in lost:
            continue
        try:
            for event in state.accept(payload(*broadcasts[number])):
                rows.take(event)
        except SequenceGap:
            for event in snapshot(state, past):
                rows.take(event)
    for event in snapshot(state, past):  # a watcher that lost the last broadcast learns of it from its next snapshot
        rows.take(event)
    return rows


@given(histories(), st.data())
def test_a_watcher_that_comes_at_any_time_ends_with_the_same_rows(
    broadcasts: list[list[Event]], data: st.DataObject
) -> None:
    undisturbed = watch(broadcasts, 0, frozenset(), 0)
    start = data.draw(st.integers(0, len(broadcasts)))
    lost = frozenset(data.draw(st.sets(st.integers(0, len(broadcasts) - 1))))
    repeated = data.draw(st.integers(0, 3))
    assert watch(broadcasts, start, lost, repeated) == undisturbed
    assert list(undisturbed.log) == list(range(1, len(undisturbed.log) + 1))


@given(histories(), st.data())
def test_a_client_that_reconnects_with_its_cursor_ends_with_the_same_rows(
    broadcasts: list[list[Event]], data: st.DataObject
) -> None:
    rows, state, past = Rows(), WatcherState(), Past()
    breaks = data.draw(st.sets(st.integers(0, len(broadcasts) - 1)))
    for number, events in enumerate(broadcasts):
        past = past.after(events)
        if number in breaks:  # the connection is lost; the new one starts behind the last row
            state = WatcherState(last_seq=max(rows.log, default=0))
            fresh = snapshot(state, past)
        else:
            fresh = state.accept(payload(*events))
        for event in fresh:
            rows.take(event)
    assert rows.log == watch(broadcasts, 0, frozenset(), 0).log

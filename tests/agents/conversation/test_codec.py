"""Records: what is written can be read back, for ever; what cannot be read is never guessed."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import codec
from agents.codec import EVENT_TYPES, VERSION, decode, encode, wire_live, wire_record
from agents.errors import NewerRecord, UnreadableRecord
from agents.turn import Event, Logged, State, fsm_state
from agents.turn.events import (
    AssistantMsg,
    Delivered,
    Resolution,
    StatePatch,
    Summary,
    Suspension,
    ToolCall,
    ToolResult,
    TurnEnded,
    UserMsg,
)
from agents.turn.live import StateChanged, TextDelta
from store import Record
from tests.support.invariants import check_log

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))
"""Records as earlier versions wrote them: none of these files is ever changed, each new version adds its own."""

LOGS = sorted((Path(__file__).parent / "samples" / "logs").glob("*/*.jsonl"))
"""Whole logs as earlier code wrote them in its own tests, each with the facts that it knew at the end."""

words = st.text(alphabet=st.characters(codec="utf-8"), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(words, values, max_size=3)
blocks = st.lists(objects, max_size=3)
turns = st.integers(1, 1000)
people = st.none() | words
times = st.none() | st.integers(0, 2**53)
common = {"turn": turns, "principal": people}

events: st.SearchStrategy[Event] = st.one_of(
    st.builds(UserMsg, **common, content=blocks, step=turns, client_id=people),
    st.builds(AssistantMsg, **common, message_id=words, step=turns, content=blocks, usage=objects, model=people),
    st.builds(ToolCall, **common, tool_call_id=words, step=turns, name=words, arguments=objects),
    st.builds(ToolResult, **common, tool_call_id=words, content=words | blocks),
    st.builds(Suspension, **common, tool_call_id=words, prompt=words, expires_at=times),
    st.builds(Resolution, **common, tool_call_id=words, arguments=st.none() | objects, answer=values),
    st.builds(TurnEnded, **common, reason=people, detail=people),
    st.builds(StatePatch, **common, source=words, patch=objects),
    st.builds(Delivered, **common, chain=words, channel=words, answered=turns, bubbles=blocks, unsent=blocks),
    st.builds(Summary, **common, text=words, through_turn=turns, after=turns, base=objects),
)


def record(stored: dict[str, Any], seq: int = 1) -> Record:
    return Record(seq, orjson.dumps(stored))


@settings(deadline=None)
@given(event=events, at=st.integers(0, 2**53), seq=st.integers(1, 2**31))
def test_every_event_comes_back_as_it_went(event: Event, at: int, seq: int) -> None:
    assert decode(record(encode(event, at), seq)) == Logged(seq, at, event)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_what_was_ever_written_can_be_read(sample: Path) -> None:
    stored = orjson.loads(sample.read_bytes())
    found = Record(5, sample.read_bytes())

    logged = decode(found)

    assert type(logged.event) is EVENT_TYPES[stored["type"]]
    assert {**stored, "v": VERSION}.items() <= wire_record(found, "c").items(), "watchers see all that it says"
    if stored["v"] == VERSION:
        assert stored == encode(logged.event, logged.at), "and it is written in the same way today"


def test_every_type_has_a_sample_of_every_version() -> None:
    versions = range(1, VERSION + 1)
    assert {path.stem for path in SAMPLES} == {f"{kind}.v{version}" for kind in EVENT_TYPES for version in versions}


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_the_versions_of_a_sample_say_the_same(kind: str) -> None:
    said = [path.read_bytes() for path in SAMPLES if path.stem.startswith(f"{kind}.")]
    assert len(said) == VERSION
    assert len({repr(decode(Record(1, data))) for data in said}) == 1
    assert len({orjson.dumps(wire_record(Record(1, data), "c"), option=orjson.OPT_SORT_KEYS) for data in said}) == 1


@pytest.mark.parametrize("path", LOGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_logs_of_earlier_code_fold_to_the_same_facts(path: Path) -> None:
    records = [Record(seq, line) for seq, line in enumerate(path.read_bytes().splitlines(), 1)]
    golden = orjson.loads(path.with_suffix(".facts.json").read_bytes())

    facts = check_log([decode(record) for record in records])

    assert_within(golden["state"], orjson.loads(orjson.dumps(fsm_state(facts))))
    assert not golden["facts"].pop("queued")
    for held in ("queued_by", "queued_principal", "queued_speakers"):
        golden["facts"].pop(held, None)
    assert facts.waiting == (), "no message was held at the end of these"
    assert_within(golden["facts"], orjson.loads(orjson.dumps(facts)))


@pytest.mark.parametrize("path", LOGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_logs_of_earlier_code_look_to_watchers_as_todays_do(path: Path) -> None:
    for seq, line in enumerate(path.read_bytes().splitlines(), 1):
        found = Record(seq, line)
        logged = decode(found)
        again = Record(seq, orjson.dumps(encode(logged.event, logged.at)))
        assert wire_record(found, "c") == wire_record(again, "c")
        assert len(again.data) <= len(line)


def assert_within(golden: Any, found: Any) -> None:
    """Everything that was known then is known now; what came later may stand beside it."""
    if not isinstance(golden, dict):
        assert found == golden
        return
    assert golden.keys() <= found.keys()
    for name, value in golden.items():
        assert_within(value, found[name])


def test_what_is_left_out_is_shown_to_watchers() -> None:
    event = UserMsg(turn=1, content=[])
    stored = encode(event, at=7)
    assert stored == {"type": "user_msg", "v": VERSION, "at": 7, "turn": 1, "content": []}
    assert wire_record(record(stored), "c") == {
        **stored,
        "principal": None,
        "step": 1,
        "client_id": None,
        "origin": "user",
        "model": None,
        "channel": None,
        "seq": 1,
        "conversation_id": "c",
    }


def test_fields_that_came_later_have_defaults() -> None:
    stored = {"type": "user_msg", "v": 1, "at": 7, "turn": 1, "content": []}
    assert decode(record(stored)) == Logged(1, 7, UserMsg(turn=1, content=[]))


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ({"type": "user_msg", "v": 0, "at": 1, "turn": 1, "content": []}, "unknown version 0"),
        ({"type": "user_msg", "v": "2", "at": 1, "turn": 1, "content": []}, "unknown version '2'"),
        ({"type": "user_msg", "at": 1, "turn": 1, "content": []}, "unknown version None"),
        ({"type": "dream", "v": 1, "at": 1, "turn": 1}, "unknown type 'dream'"),
        ({"v": 1, "at": 1, "turn": 1}, "type"),
        ({"type": "user_msg", "v": 1, "at": 1}, "missing"),
        ({"type": "user_msg", "v": 1, "turn": 1, "content": []}, "at"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_seq(stored: dict[str, Any], problem: str) -> None:
    with pytest.raises(UnreadableRecord, match=problem) as unreadable:
        decode(record(stored, 17))
    assert unreadable.value.seq == 17


def test_a_record_of_newer_code_is_told_apart() -> None:
    newer = record({"type": "user_msg", "v": VERSION + 1, "at": 1, "turn": 1, "content": []}, 17)
    for read in (decode, lambda found: wire_record(found, "c")):
        with pytest.raises(NewerRecord, match=f"record 17 .* version {VERSION + 1} is newer") as refusal:
            read(newer)
        assert refusal.value.seq == 17


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"null"])
def test_a_damaged_record_is_unreadable_too(data: bytes) -> None:
    with pytest.raises(UnreadableRecord):
        decode(Record(3, data))


def test_older_records_are_brought_up_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def says(stored: dict[str, Any]) -> dict[str, Any]:
        return {**stored, "v": 0, "content": [{"type": "text", "text": stored["says"]}]}

    def numbered(stored: dict[str, Any]) -> dict[str, Any]:
        return {**stored, "v": 1, "turn": stored["round"]}

    monkeypatch.setattr(codec, "UPCASTS", {**codec.UPCASTS, -1: says, 0: numbered})
    stored = {"type": "user_msg", "v": -1, "at": 7, "round": 3, "says": "hi"}

    assert decode(record(stored)).event == UserMsg(turn=3, content=[{"type": "text", "text": "hi"}])


def test_watchers_see_the_record_with_its_place() -> None:
    stored = encode(TurnEnded(turn=1, principal="ada", outcome="completed"), at=7)
    assert wire_record(record(stored, 9), "c") == {
        "type": "turn_ended",
        "v": VERSION,
        "at": 7,
        "turn": 1,
        "principal": "ada",
        "outcome": "completed",
        "reason": None,
        "detail": None,
        "seq": 9,
        "conversation_id": "c",
    }


def test_live_events_on_the_wire() -> None:
    assert wire_live(StateChanged(turn=1, state=State.IDLE, last_seq=3), "c") == {
        "type": "state_changed",
        "conversation_id": "c",
        "turn": 1,
        "state": "idle",
        "last_seq": 3,
    }
    assert wire_live(TextDelta(turn=1, message_id="m", index=0, next=2, text="hi"), "c") == {
        "type": "text_delta",
        "conversation_id": "c",
        "turn": 1,
        "message_id": "m",
        "index": 0,
        "next": 2,
        "text": "hi",
    }

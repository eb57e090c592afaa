"""Every check on falsified evidence: one falsification of a correct run, and the violation that is found."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checks import violations
from tests.chaos.evidence import Event, Evidence
from tests.chaos.history import Operation
from tests.chaos.in_process import CONVERSATION, InProcessSystem
from tests.chaos.ledger import Entry
from tests.chaos.tasks import Task
from tests.chaos.watcher_record import EventStream

Falsification = Callable[[Evidence], Evidence]


def with_log(evidence: Evidence, change: Callable[[list[Event]], list[Event]]) -> Evidence:
    """Another log, without notices, watchers and a consumer that contradict it."""
    transcript = evidence.transcripts[CONVERSATION]
    log = change(list(transcript.log))
    return replace(
        evidence,
        transcripts={CONVERSATION: replace(transcript, log=log, last_seq=len(log))},
        notices={},
        watchers=[],
        heard=None,
    )


def without(kind: str, **fields: Any) -> Falsification:
    """The log without the first event of that type with these fields."""

    def change(log: list[Event]) -> list[Event]:
        gone = next(event for event in log if event["type"] == kind and fields.items() <= event.items())
        return [event for event in log if event is not gone]

    return lambda evidence: with_log(evidence, change)


def with_changed(kind: str, **fields: Any) -> Falsification:
    """The log with other fields in its first event of that type."""

    def change(log: list[Event]) -> list[Event]:
        position = next(number for number, event in enumerate(log) if event["type"] == kind)
        log[position] = {**log[position], **fields}
        return log

    return lambda evidence: with_log(evidence, change)


def asked_again(log: list[Event]) -> list[Event]:
    """The log with one call made again under another id."""
    call = next(event for event in log if event["type"] == "tool_call")
    return [*log, {**call, "tool_call_id": "another", "seq": len(log) + 1}]


def with_operation(kind: Any, request: Mapping[str, Any], outcome: Any, answer: Mapping[str, Any]) -> Falsification:
    """One more operation, by another person."""

    def falsify(evidence: Evidence) -> Evidence:
        operation = Operation("eve", kind, CONVERSATION, request)
        operation.note(0.0, outcome, answer)
        return replace(evidence, operations=[*evidence.operations, operation])

    return falsify


def cancelled_by_a_person(evidence: Evidence, turns: int = 2) -> Evidence:
    """The first turns have ended by a cancel."""

    def change(log: list[Event]) -> list[Event]:
        cancelled = {"outcome": "cancelled", "reason": "user_cancelled"}
        return [{**e, **cancelled} if e["type"] == "turn_ended" and e["turn"] <= turns else e for e in log]

    return with_log(evidence, change)


def signature(evidence: Evidence) -> Mapping[str, Any]:
    """What the person has asked for who approved."""
    return next(operation.request for operation in evidence.operations if operation.kind == "decide")


def begun_twice(tool: str) -> Falsification:
    """The ledger has the beginning of a tool twice."""

    def falsify(evidence: Evidence) -> Evidence:
        again = [e for e in evidence.entries if e.kind == "begin" and e.facts["tool"] == tool]
        return replace(evidence, entries=[*evidence.entries, *again])

    return falsify


def not_applied(evidence: Evidence) -> Evidence:
    return replace(evidence, entries=[entry for entry in evidence.entries if entry.kind != "apply"])


def with_entry(**facts: Any) -> Falsification:
    """The ledger has one more entry."""
    known = {"conversation": CONVERSATION, "call": "unheard-of", "tool": "deposit", "number": 1}
    return lambda evidence: replace(evidence, entries=[*evidence.entries, Entry("begin", 0.0, 1, {**known, **facts})])


def with_notices(change: Callable[[list[Any]], list[Any]]) -> Falsification:
    """The listener has received other notices."""
    return lambda evidence: replace(evidence, notices={CONVERSATION: change(list(evidence.notices[CONVERSATION]))})


def with_heard(change: Callable[[list[Entry]], list[Entry]]) -> Falsification:
    """The consumer of the feed has noted other entries."""
    return lambda evidence: replace(evidence, heard=change(list(evidence.heard or ())))


def with_older_epoch(notices: list[Any]) -> list[Any]:
    return [*notices[:-1], replace(notices[-1], epoch=1)]


def with_stream(change: Callable[[list[Event]], list[Event]]) -> Falsification:
    """The watcher's stream has brought other events."""

    def falsify(evidence: Evidence) -> Evidence:
        [watcher] = evidence.watchers
        streams = [EventStream(0, change(list(watcher.streams[0].events)))]
        return replace(evidence, watchers=[replace(watcher, streams=streams)])

    return falsify


def first(kind: str, events: list[Event]) -> int:
    return next(number for number, event in enumerate(events) if event["type"] == kind)


def with_a_gap(events: list[Event]) -> list[Event]:
    position = first("text_delta", events)
    return [*events[:position], {**events[position], "index": 3}, *events[position + 1 :]]


def with_a_fenced_delta(events: list[Event]) -> list[Event]:
    position = first("text_delta", events)
    return [*events[: position + 1], {**events[position], "message_id": "msg_1_1_1_1"}, *events[position + 1 :]]


def with_other_words(events: list[Event]) -> list[Event]:
    position = first("text_delta", events)
    return [*events[:position], {**events[position], "text": "lies"}, *events[position + 1 :]]


def without_the_last(events: list[Event]) -> list[Event]:
    last = max(number for number, event in enumerate(events) if "v" in event)
    return events[:last]


def with_one_twice(events: list[Event]) -> list[Event]:
    position = first("user_msg", events)
    return [*events[: position + 1], *events[position:]]


FALSIFICATIONS: Mapping[str, tuple[Falsification, str]] = {
    "an acknowledged message is missing": (without("user_msg"), "message_lost"),
    "its text is another one": (
        with_changed("user_msg", content=[{"type": "text", "text": "#1 tell"}]),
        "message_changed",
    ),
    "its receipt names another place": (
        with_operation(
            "send", {"client_id": "task-1", "text": "#1 deposit", "on_busy": "queue"}, "ok", {"seq": 9, "turn": 1}
        ),
        "receipt_wrong",
    ),
    "a refused message is there": (
        lambda evidence: replace(
            with_operation("send", {"client_id": "task-1", "text": "#1 deposit"}, "refused", {})(evidence),
            operations=with_operation("send", {"client_id": "task-1", "text": "#1 deposit"}, "refused", {})(
                evidence
            ).operations[-1:],
        ),
        "refused_but_logged",
    ),
    "an answer says nothing": (
        lambda evidence: with_log(
            evidence, lambda log: [e for e in log if e["type"] != "assistant_msg" or e["stop_reason"] == "tool_use"]
        ),
        "message_unanswered",
    ),
    "a turn was cancelled without a request": (with_changed("turn_ended", outcome="cancelled"), "cancelled_by_nobody"),
    "a turn failed for no reason": (with_changed("turn_ended", outcome="failed"), "failed_by_itself"),
    "a turn has no end": (without("turn_ended", turn=3), "unfinished"),
    "a cancel did nothing": (with_operation("cancel", {}, "ok", {}), "cancel_lost"),
    "one cancel ended two turns": (
        lambda evidence: with_operation("cancel", {}, "ok", {})(cancelled_by_a_person(evidence)),
        "cancelled_twice",
    ),
    "a cancel that ended its turn was refused": (
        lambda evidence: with_operation("cancel", {}, "refused", {"code": "not_running"})(
            cancelled_by_a_person(evidence, turns=1)
        ),
        "cancel_denied",
    ),
    "a decision that counted was refused": (
        lambda evidence: with_operation("decide", signature(evidence), "refused", {"code": "stale_resolution"})(
            evidence
        ),
        "decision_denied",
    ),
    "a decision is missing": (
        with_operation("decide", {"tool_call_id": "x", "decision": "approve"}, "ok", {"seq": 1}),
        "decision_lost",
    ),
    "a decision was ignored": (with_changed("resolution", decision="reject"), "decision_ignored"),
    "an approval is missing": (without("resolution"), "effect_not_approved"),
    "a stamp was given twice": (begun_twice("stamp"), "effect_twice"),
    "something was done that the log has not": (with_entry(), "effect_not_logged"),
    "something was done for another conversation": (with_entry(conversation="other"), "effect_not_logged"),
    "the model was asked again": (lambda evidence: with_log(evidence, asked_again), "called_twice"),
    "nothing was done": (not_applied, "result_false"),
    "an older epoch wrote": (with_notices(with_older_epoch), "epochs_interleave"),
    "an append was announced twice": (with_notices(lambda notices: [*notices, notices[-1]]), "seq_twice"),
    "an append was not announced": (with_notices(lambda n: [n[0], n[1], *n[3:]]), "append_not_announced"),
    "the log has something else": (
        with_notices(lambda n: [*n[:-1], replace(n[-1], events=[{**n[-1].events[0], "at": 0}])]),
        "announced_not_logged",
    ),
    "an end was not heard of": (with_heard(lambda heard: heard[:-1]), "end_not_heard"),
    "an end was told as two entries": (
        with_heard(lambda heard: [*heard, replace(heard[0], facts={**heard[0].facts, "key": "another"})]),
        "end_told_twice",
    ),
    "ends were heard in another order": (with_heard(lambda heard: heard[::-1]), "ends_out_of_order"),
    "an end was heard of that the log has not": (
        with_heard(lambda heard: [*heard, replace(heard[0], facts={**heard[0].facts, "turn": 99})]),
        "heard_of_nothing",
    ),
    "a watcher missed the end": (with_stream(without_the_last), "watcher_missed"),
    "a stream repeated itself": (with_stream(with_one_twice), "stream_out_of_order"),
    "a stream has a hole in a text": (with_stream(with_a_gap), "text_hole"),
    "a stream brought other words": (with_stream(with_other_words), "text_differs"),
    "a fenced incarnation was heard": (with_stream(with_a_fenced_delta), "fenced_voice"),
    "the state is stale": (
        lambda evidence: replace(
            evidence, transcripts={CONVERSATION: replace(evidence.transcripts[CONVERSATION], state={})}
        ),
        "state_wrong",
    ),
    "the index is stale": (
        lambda evidence: replace(
            evidence, transcripts={CONVERSATION: replace(evidence.transcripts[CONVERSATION], unfinished=True)}
        ),
        "index_wrong",
    ),
    "a call has no result": (without("tool_result"), "law_broken"),
}


@pytest.fixture
async def correct(in_process: InProcessSystem) -> Evidence:
    """The evidence of three turns: a deposit, a stamp and a signature."""
    in_process.watch()
    for number, verb in enumerate(("deposit", "stamp"), start=1):
        await in_process.say(Task(number, verb))
        await in_process.rest()
    await in_process.say(Task(3, "sign"))
    await in_process.decide("approve")
    await in_process.rest()
    return await in_process.evidence()


async def test_each_falsification_is_found_by_name(correct: Evidence) -> None:
    assert violations(correct) == []
    missed = {
        name: sorted({violation.name for violation in violations(falsify(correct))})
        for name, (falsify, name) in FALSIFICATIONS.items()
        if name not in {violation.name for violation in violations(falsify(correct))}
    }
    assert missed == {}

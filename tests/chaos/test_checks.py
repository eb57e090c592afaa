"""Every check on evidence that somebody has tampered with: one lie in an honest run, and the name it is given."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checks import violations
from tests.chaos.evidence import Event, Evidence
from tests.chaos.history import Operation
from tests.chaos.ledger import Entry
from tests.chaos.rehearsal import CONVERSATION, Rehearsal
from tests.chaos.sightings import Connection
from tests.chaos.tasks import Task

Lie = Callable[[Evidence], Evidence]


def with_log(evidence: Evidence, change: Callable[[list[Event]], list[Event]]) -> Evidence:
    """Another log, of which everybody who listened says the same."""
    transcript = evidence.transcripts[CONVERSATION]
    log = change(list(transcript.log))
    return replace(
        evidence,
        transcripts={CONVERSATION: replace(transcript, log=log, last_seq=len(log))},
        notices={},
        watched=[],
    )


def without(kind: str, **fields: Any) -> Lie:
    """The log without the first event of that type with these fields."""

    def change(log: list[Event]) -> list[Event]:
        gone = next(event for event in log if event["type"] == kind and fields.items() <= event.items())
        return [event for event in log if event is not gone]

    return lambda evidence: with_log(evidence, change)


def changed(kind: str, **fields: Any) -> Lie:
    """The log with other fields in its first event of that type."""

    def change(log: list[Event]) -> list[Event]:
        place = next(number for number, event in enumerate(log) if event["type"] == kind)
        log[place] = {**log[place], **fields}
        return log

    return lambda evidence: with_log(evidence, change)


def asked_again(log: list[Event]) -> list[Event]:
    """The log with a call that is made once more under another id."""
    call = next(event for event in log if event["type"] == "tool_call")
    return [*log, {**call, "tool_call_id": "another", "seq": len(log) + 1}]


def with_operation(kind: Any, wanted: Mapping[str, Any], outcome: Any, answer: Mapping[str, Any]) -> Lie:
    """Somebody else did something as well."""

    def lie(evidence: Evidence) -> Evidence:
        operation = Operation("eve", kind, CONVERSATION, wanted)
        operation.note(0.0, outcome, answer)
        return replace(evidence, operations=[*evidence.operations, operation])

    return lie


def repeated(tool: str) -> Lie:
    """The ledger has seen a tool begin twice."""

    def lie(evidence: Evidence) -> Evidence:
        again = [e for e in evidence.entries if e.kind == "begin" and e.facts["tool"] == tool]
        return replace(evidence, entries=[*evidence.entries, *again])

    return lie


def not_applied(evidence: Evidence) -> Evidence:
    return replace(evidence, entries=[entry for entry in evidence.entries if entry.kind != "apply"])


def begun(**facts: Any) -> Lie:
    """The ledger knows of one more deed."""
    known = {"conversation": CONVERSATION, "call": "unheard-of", "tool": "deposit", "number": 1}
    return lambda evidence: replace(evidence, entries=[*evidence.entries, Entry("begin", 0.0, 1, {**known, **facts})])


def noticed(change: Callable[[list[Any]], list[Any]]) -> Lie:
    """The listener has heard something else."""
    return lambda evidence: replace(evidence, notices={CONVERSATION: change(list(evidence.notices[CONVERSATION]))})


def older(notices: list[Any]) -> list[Any]:
    return [*notices[:-1], replace(notices[-1], epoch=1)]


def streamed(change: Callable[[list[Event]], list[Event]]) -> Lie:
    """The watcher's one stream has brought something else."""

    def lie(evidence: Evidence) -> Evidence:
        [watched] = evidence.watched
        connections = [Connection(0, change(list(watched.connections[0].events)))]
        return replace(evidence, watched=[replace(watched, connections=connections)])

    return lie


def first(kind: str, events: list[Event]) -> int:
    return next(number for number, event in enumerate(events) if event["type"] == kind)


def with_a_hole(events: list[Event]) -> list[Event]:
    place = first("text_delta", events)
    return [*events[:place], {**events[place], "index": 3}, *events[place + 1 :]]


def with_a_zombie(events: list[Event]) -> list[Event]:
    place = first("text_delta", events)
    return [*events[: place + 1], {**events[place], "message_id": "msg_1_1_1_1"}, *events[place + 1 :]]


def with_other_words(events: list[Event]) -> list[Event]:
    place = first("text_delta", events)
    return [*events[:place], {**events[place], "text": "lies"}, *events[place + 1 :]]


def without_the_last(events: list[Event]) -> list[Event]:
    last = max(number for number, event in enumerate(events) if "v" in event)
    return events[:last]


def with_one_twice(events: list[Event]) -> list[Event]:
    place = first("user_msg", events)
    return [*events[: place + 1], *events[place:]]


LIES: Mapping[str, tuple[Lie, str]] = {
    "an acknowledged message is missing": (without("user_msg"), "message_lost"),
    "its text is another one": (changed("user_msg", content=[{"type": "text", "text": "#1 tell"}]), "message_changed"),
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
    "a turn was cancelled by nobody": (changed("turn_ended", outcome="cancelled"), "cancelled_by_nobody"),
    "a turn failed for no reason": (changed("turn_ended", outcome="failed"), "failed_by_itself"),
    "a turn has no end": (without("turn_ended", turn=3), "unfinished"),
    "a cancel did nothing": (with_operation("cancel", {}, "ok", {}), "cancel_lost"),
    "a decision is missing": (
        with_operation("decide", {"tool_call_id": "x", "decision": "approve"}, "ok", {"seq": 1}),
        "decision_lost",
    ),
    "a decision was ignored": (changed("resolution", decision="reject"), "decision_ignored"),
    "nobody approved": (without("resolution"), "effect_not_approved"),
    "a stamp was given twice": (repeated("stamp"), "effect_twice"),
    "something was done that nobody asked for": (begun(), "effect_not_logged"),
    "something was done for another conversation": (begun(conversation="other"), "effect_not_logged"),
    "the model was asked again": (lambda evidence: with_log(evidence, asked_again), "called_twice"),
    "nothing was done": (not_applied, "result_false"),
    "an older epoch wrote": (noticed(older), "epochs_interleave"),
    "an append was announced twice": (noticed(lambda notices: [*notices, notices[-1]]), "seq_twice"),
    "an append was not announced": (noticed(lambda n: [n[0], n[1], *n[3:]]), "append_not_announced"),
    "the log has something else": (
        noticed(lambda n: [*n[:-1], replace(n[-1], events=[{**n[-1].events[0], "at": 0}])]),
        "announced_not_logged",
    ),
    "a watcher missed the end": (streamed(without_the_last), "watcher_missed"),
    "a stream repeated itself": (streamed(with_one_twice), "stream_out_of_order"),
    "a stream has a hole in a text": (streamed(with_a_hole), "text_hole"),
    "a stream brought other words": (streamed(with_other_words), "text_differs"),
    "a fenced incarnation was heard": (streamed(with_a_zombie), "fenced_voice"),
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
async def honest(rehearsal: Rehearsal) -> Evidence:
    """What is known of three turns: a deposit, a stamp, and a signature."""
    rehearsal.watch()
    for number, verb in enumerate(("deposit", "stamp"), start=1):
        await rehearsal.say(Task(number, verb))
        await rehearsal.rest()
    await rehearsal.say(Task(3, "sign"))
    await rehearsal.decide("approve")
    await rehearsal.rest()
    return await rehearsal.evidence()


async def test_each_lie_is_called_by_its_name(honest: Evidence) -> None:
    assert violations(honest) == []
    missed = {
        name: sorted({violation.law for violation in violations(lie(honest))})
        for name, (lie, law) in LIES.items()
        if law not in {violation.law for violation in violations(lie(honest))}
    }
    assert missed == {}

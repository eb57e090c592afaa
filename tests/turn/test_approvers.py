"""Who may decide about a call: one who is what it asks for; who has asked for it is known from the log."""

from dataclasses import replace
from typing import Any

import pytest

from agents.turn import Logged, State
from agents.turn.approvers import APPROVERS, Approver, describe, may_decide, read_approvers
from agents.turn.commands import RunTool
from agents.turn.events import Resolution, Suspension, UserMsg
from agents.turn.flow import decisions_of, fsm_state
from agents.turn.inputs import Expire, ModelInterrupted, Question, Resolve, ToolInterrupted
from tests.support.turn_harness import TurnHarness, text
from tests.support.turn_stages import EXPIRES, gated, gated_client, idle, question, server, with_calls

EVERYTHING = ("owner", "members", "admin")


@pytest.mark.parametrize(
    ("approvers", "principal", "standing", "is_allowed"),
    [
        ((), None, (), True),
        (("owner",), "ada", ("owner", "members"), True),
        (("owner",), "boss", ("admin",), False),
        (("owner",), "anna", ("members",), False),
        (("members",), "anna", ("members",), True),
        (("members",), "boss", ("admin",), False),
        (("admin",), "boss", ("admin",), True),
        (("admin",), "ada", ("owner", "members"), False),
        (("another",), "bob", (), True),
        (("another",), "ann", EVERYTHING, False),
        (("another",), None, EVERYTHING, False),
        (("another",), "ann", (*EVERYTHING, "alone"), True),
        (("admin", "another"), "boss", ("admin",), True),
        (("admin", "another"), "ann", ("admin",), False),
        (("admin", "another"), "bob", ("members",), False),
    ],
)
def test_who_may_decide(approvers: Any, principal: str | None, standing: Any, is_allowed: bool) -> None:
    assert may_decide(approvers, ["ann", "eve"], principal, standing) is is_allowed


def test_what_a_definition_names() -> None:
    assert (read_approvers(None), read_approvers("owner"), read_approvers(["admin", "another", "admin"])) == (
        (),
        ("owner",),
        ("admin", "another"),
    )
    for named in ("everybody", ["owner", "everybody"], 1, [["owner"]]):
        with pytest.raises(ValueError, match="owner, members, admin, another"):
            read_approvers(named)
    assert describe(["admin", "another"]) == (
        "an admin of the tenant, who is also another person than the one who has asked for it"
    )


@pytest.mark.parametrize("approver", APPROVERS)
def test_a_refused_decision_changes_nothing(approver: Approver) -> None:
    harness = with_calls(replace(gated("x"), approvers=(approver,)))
    before = harness.machine
    refused = harness.feed(Resolve(tool_call_id="x", decision="approve", principal="ann"))
    assert refused.refusal is not None
    assert (refused.refusal.code, refused.refusal.detail) == (
        "not_an_approver",
        f"This waits for {describe([approver])}.",
    )
    assert harness.machine == before
    standing = () if approver == "another" else (approver,)
    harness.feed(Resolve(tool_call_id="x", decision="approve", principal="bob", standing=standing))
    assert harness.events[-1] == Resolution(
        turn=1, principal="bob", tool_call_id="x", decision="approve", standing=list(standing)
    )
    assert [effect.principal for effect in harness.effects if isinstance(effect, RunTool)] == ["bob"]


def test_an_answer_to_nothing_is_stale_before_it_is_forbidden() -> None:
    harness = with_calls(replace(gated("x"), approvers=("owner",)))
    refused = harness.feed(Resolve(tool_call_id="y", decision="approve", principal="ann"))
    assert refused.refusal is not None
    assert refused.refusal.code == "stale_resolution"


def suspension(harness: TurnHarness) -> Suspension:
    return next(event for event in reversed(harness.events) if isinstance(event, Suspension))


def test_the_one_who_speaks_in_a_turn_has_asked() -> None:
    harness = idle()
    harness.say(principal="ann")
    for policy in ("steer", "queue"):
        harness.say("and this", on_busy=policy, principal="will")
    harness.say("and that", on_busy="steer", principal="ann")
    harness.answer("on it", server("s"))
    harness.finish_tool("s")
    harness.answer("", replace(gated("x"), approvers=("another",)))
    assert list(suspension(harness).asked_by) == ["ann"]
    assert harness.crash().machine.facts == harness.machine.facts
    refused = harness.feed(Resolve(tool_call_id="x", decision="approve", principal="ann", standing=EVERYTHING))
    assert refused.refusal is not None
    harness.approve("x")
    harness.finish_tool("x")
    harness.answer("done")
    harness.answer("", replace(gated("y"), approvers=("another",)))
    assert harness.machine.facts.turn == 2
    assert list(suspension(harness).asked_by) == ["will"], "earlier turns do not count"


def test_all_who_have_spoken_in_a_turn_of_earlier_code_have_asked() -> None:
    """Its logs have messages of several persons in one turn."""
    said = [("ann", 1), ("will", 1), ("bob", 2)]
    events = [UserMsg(turn=1, principal=name, content=text("x"), step=step) for name, step in said]
    harness = TurnHarness(log=[Logged(seq, 0, event) for seq, event in enumerate(events, 1)])
    harness.crash()
    harness.answer("", replace(gated("x"), approvers=("another",)))
    assert list(suspension(harness).asked_by) == ["ann", "will", "bob"]


def test_those_who_asked_are_kept_only_where_it_matters() -> None:
    harness = with_calls(replace(gated("x"), approvers=("owner",)))
    assert (list(suspension(harness).approvers), list(suspension(harness).asked_by)) == (["owner"], [])


def test_the_program_of_an_approved_call_needs_no_standing() -> None:
    harness = with_calls(replace(gated_client("x"), approvers=("admin",)))
    harness.feed(Resolve(tool_call_id="x", decision="approve", principal="boss", standing=("admin",), expires_at=9))
    assert (suspension(harness).kind, suspension(harness).approvers) == ("client_exec", [])
    harness.feed(Resolve(tool_call_id="x", decision="respond", answer="opened", principal="ann"))
    assert harness.result("x").content == "opened"


@pytest.mark.parametrize(
    ("named", "left"),
    [
        ((), ["approve", "reject", "respond"]),
        (("approve", "edit"), ["approve"]),
        (("edit",), ["reject"]),
        (("approve", "reject"), ["approve", "reject"]),
    ],
)
def test_the_second_person_does_not_write_what_the_first_has_not_seen(named: Any, left: list[str]) -> None:
    harness = with_calls(replace(gated("x"), approvers=("another",), decisions=named))
    assert fsm_state(harness.machine.facts)["pending"]["x"]["decisions"] == left
    edit = Resolve(tool_call_id="x", decision="edit", arguments={"text": "mine"}, principal="bob")
    refused = harness.feed(edit)
    assert refused.refusal is not None
    assert refused.refusal.code == "invalid_decision"
    # The same for a question that earlier code has logged, and for one of a running tool.
    call = harness.machine.facts.calls["x"]
    assert call.suspension is not None
    earlier = replace(call.suspension, decisions=named)
    assert list(decisions_of(earlier)) == left
    harness = with_calls(server("s"))
    asked = Question(kind="approval", prompt="May I?", approvers=("another",), decisions=named)
    harness.feed(ToolInterrupted(turn=1, tool_call_id="s", question=asked))
    assert list(suspension(harness).decisions) == left


def test_others_may_edit_what_they_decide_about() -> None:
    harness = with_calls(replace(gated("x"), approvers=("owner",)))
    assert list(suspension(harness).decisions) == []
    edit = Resolve(tool_call_id="x", decision="edit", arguments={"text": "mine"}, principal="ann", standing=("owner",))
    assert harness.feed(edit).refusal is None
    assert harness.machine.facts.calls["x"].arguments == {"text": "mine"}


def test_a_question_of_a_tool_and_of_middleware_may_say_who_answers() -> None:
    harness = with_calls(server("s"))
    asked = Question(kind="approval", prompt="May I?", approvers=("another",), asked_by=("child",))
    harness.feed(ToolInterrupted(turn=1, tool_call_id="s", question=asked))
    assert list(suspension(harness).asked_by) == ["ann", "child"]
    for principal in ("ann", "child"):
        refused = harness.feed(Resolve(tool_call_id="s", decision="approve", principal=principal))
        assert refused.refusal is not None
    harness.approve("s")
    harness.finish_tool("s")
    ask = replace(question("q"), approvers=("owner",), source="Careful")
    harness.feed(ModelInterrupted(ref=harness.model_call, asks=(ask,)))
    refused = harness.feed(Resolve(tool_call_id="q", decision="respond", answer="yes", principal="bob"))
    assert refused.refusal is not None
    harness.feed(Resolve(tool_call_id="q", decision="respond", answer="yes", principal="ann", standing=("owner",)))
    assert harness.state is State.PREPARING


def test_the_end_of_its_time_needs_no_approver() -> None:
    harness = with_calls(replace(gated("x"), approvers=("admin",)))
    harness.feed(Expire(tool_call_id="x", now=EXPIRES))
    assert harness.result("x").status == "timeout"

"""What appends tell the feed: of any log, each turn begins and ends once, and every call and question is told."""

from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from agents.conversation.feed_notices import MAX_PROMPT_CHARACTERS, Notice, notices
from agents.turn import Facts, Logged, fold
from agents.turn.events import AssistantMsg, Resolution, Suspension, ToolCall, ToolResult, TurnEnded, UserMsg
from agents.turn.facts import apply
from store.feed.types import ALWAYS, FEED_TYPES
from tests.agents.conversation.test_running_turn import logs_of_any_inputs, sample_logs

AGENT = "default"


def told_of(log: Sequence[Logged]) -> list[Notice]:
    return notices(Facts(), [entry.event for entry in log], AGENT)


def begun_in(log: Sequence[Logged]) -> list[tuple[int, str | None]]:
    """Each turn as the fold of the log has it when it begins, and whose it is."""
    facts, found = Facts(), []
    for entry in log:
        before, facts = facts, apply(facts, entry.event, entry.seq)
        if facts.turn != before.turn:
            found.append((facts.turn, facts.principal))
    return found


@pytest.mark.parametrize("logs", [logs_of_any_inputs, sample_logs])
def test_every_log_is_told(logs: Callable[[], list[Sequence[Logged]]]) -> None:
    kinds = Counter[str]()
    for log in logs():
        told = told_of(log)
        facts = fold(log)
        kinds.update(kind for kind, _ in told)
        assert all(set(data) == set(FEED_TYPES[kind]) - set(ALWAYS) for kind, data in told)
        assert [(data["turn"], data["principal"]) for kind, data in told if kind == "turn_started"] == begun_in(log)
        started = [data["turn"] for kind, data in told if kind == "turn_started"]
        ended = [data["turn"] for kind, data in told if kind == "turn_ended"]
        assert started == list(range(1, facts.turn + 1))
        assert ended == [entry.event.turn for entry in log if isinstance(entry.event, TurnEnded)]
        called = [data["tool_call_id"] for kind, data in told if kind == "tool_called"]
        assert called == [entry.event.tool_call_id for entry in log if isinstance(entry.event, ToolCall)]
        finished = [data["tool_call_id"] for kind, data in told if kind == "tool_finished"]
        assert finished == [entry.event.tool_call_id for entry in log if isinstance(entry.event, ToolResult)]
        answered = sum(kind == "question_answered" for kind, _ in told)
        decided = [entry.event for entry in log if isinstance(entry.event, Resolution)]
        assert answered == sum(event.decision != "expire" for event in decided)
        asked = sum(kind == "question_asked" for kind, _ in told)
        assert asked == sum(isinstance(entry.event, Suspension) for entry in log)
    assert {"turn_started", "turn_ended", "tool_called", "tool_finished", "question_asked"} <= set(kinds)


@pytest.mark.parametrize("logs", [logs_of_any_inputs, sample_logs])
def test_it_does_not_matter_how_events_are_appended(logs: Callable[[], list[Sequence[Logged]]]) -> None:
    for log in logs():
        one_by_one: list[Notice] = []
        for i, entry in enumerate(log):
            one_by_one += notices(fold(log[:i]), [entry.event], AGENT)
        assert one_by_one == told_of(log)


def test_a_turn_ends_with_its_own_usage() -> None:
    def answer(turn: int, tokens: int, cost: int | None) -> AssistantMsg:
        usage = {"input_tokens": tokens}
        return AssistantMsg(turn=turn, message_id="m", step=1, content=[], usage=usage, cost=cost)

    def end(turn: int) -> TurnEnded:
        return TurnEnded(turn=turn, outcome="completed")

    first = [UserMsg(turn=1, content=[], principal="ada"), answer(1, 3, 5), answer(1, 4, None)]
    queued = [UserMsg(turn=2, content=[], principal="bob"), end(1), answer(2, 10, 7), end(2)]

    told = notices(Facts(), [*first, *queued], AGENT)

    assert [(kind, data["turn"]) for kind, data in told] == [
        ("turn_started", 1),
        ("turn_ended", 1),
        ("turn_started", 2),
        ("turn_ended", 2),
    ]
    assert told[0][1]["principal"] == "ada"
    assert told[2][1] == {"turn": 2, "principal": "bob", "agent": AGENT}
    assert told[1][1]["usage"] == {"input_tokens": 7}
    assert told[1][1]["cost"] == 5
    assert (told[3][1]["usage"], told[3][1]["cost"]) == ({"input_tokens": 10}, 7)


def test_a_long_question_is_cut_and_its_expiry_is_told() -> None:
    call = ToolCall(turn=1, tool_call_id="t", step=1, name="pay", arguments={"sum": 1}, approval="required")
    question = Suspension(turn=1, tool_call_id="t", kind="approval", executor="server", prompt="x" * 5000, expires_at=9)
    timeout = ToolResult(turn=1, tool_call_id="t", content="late", status="timeout")

    told = notices(Facts(), [UserMsg(turn=1, content=[]), call, question, timeout], AGENT)

    kinds = [kind for kind, _ in told]
    assert kinds == ["turn_started", "tool_called", "question_asked", "question_expired", "tool_finished"]
    asked = told[2][1]
    assert (asked["name"], asked["expires_at"], len(asked["prompt"])) == ("pay", 9, MAX_PROMPT_CHARACTERS)


def test_mid_turn_appends_tell_nothing() -> None:
    facts = fold([Logged(1, 0, UserMsg(turn=1, content=[]))])

    assert notices(facts, [AssistantMsg(turn=1, message_id="m", step=1, content=[])], AGENT) == []

"""The stand-in knows its answers: thinking and the results of its own tools come back unchanged or not at all."""

from typing import Any

import pytest

from tests.messages_api.invalid import InvalidRequestError
from tests.messages_api.past_answers import PastAnswers

Json = dict[str, Any]

ONE = {"type": "thinking", "thinking": "One.", "signature": "first"}
TWO = {"type": "thinking", "thinking": "", "signature": "second"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "12:00"}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"encrypted_content": "x"}]}
ANSWER = [ONE, {"type": "text", "text": "Well."}, TWO, CALL]
BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


def request(*turns: list[Json] | str, **fields: Any) -> Json:
    roles = ["user", "assistant"] * len(turns)
    messages = [{"role": role, "content": content} for role, content in zip(roles, turns, strict=False)]
    return {"messages": messages, **fields}


def answers_of(answer: list[Json], **settings: bool) -> PastAnswers:
    past = PastAnswers(**settings)
    past.remember(request("The time?"), answer)
    return past


@pytest.mark.parametrize("fields", [{}, BUDGET], ids=["without", "with a budget"])
def test_an_answer_that_comes_back_whole(fields: Json) -> None:
    answers_of(ANSWER).check(request("The time?", ANSWER, [RESULT], **fields))


def test_markers_are_no_alteration() -> None:
    marked = {**SEARCH, "cache_control": {"type": "ephemeral"}}
    answers_of([SEARCH, FOUND]).check(request("The time?", [marked, FOUND], "And?"))


def test_thinking_may_be_left_out_once_a_person_has_spoken() -> None:
    said = [*ANSWER[1:2], CALL]
    done = [{"type": "text", "text": "Noon."}]
    answers_of(ANSWER).check(request("The time?", said, [RESULT], done, "Thanks.", **BUDGET))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param([{**ONE, "thinking": "1."}, *ANSWER[1:]], "cannot be modified", id="altered"),
        pytest.param([{**ONE, "signature": "forged"}, *ANSWER[1:]], "Invalid `signature`", id="forged"),
        pytest.param([ONE, CALL], "must come back complete", id="one of two"),
        pytest.param([{"type": "redacted_thinking", "data": "?"}, CALL], "Invalid `signature`", id="never redacted"),
        pytest.param([SEARCH, CALL], "never part of an answer", id="never searched"),
    ],
)
def test_an_answer_that_was_never_given(content: list[Json], problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        answers_of(ANSWER).check(request("The time?", content, [RESULT]))


def test_a_budget_insists_on_thinking_within_the_cycle() -> None:
    without = request("The time?", [CALL], [RESULT])
    answers_of(ANSWER).check(without)
    with pytest.raises(InvalidRequestError, match="Expected `thinking`"):
        answers_of(ANSWER).check({**without, **BUDGET})


def test_an_altered_result_of_the_providers_tool() -> None:
    with pytest.raises(InvalidRequestError, match="as it was received"):
        answers_of([SEARCH, FOUND]).check(request("The time?", [SEARCH, {**FOUND, "content": []}], "And?"))


@pytest.mark.parametrize(
    "changed",
    [
        request("What time?", ANSWER, [RESULT]),
        request("The time?", ANSWER, [RESULT], system="New."),
        request("The time?", ANSWER, [RESULT], tools=[{"name": "clock"}]),
        request("The time?", [TWO, ONE, CALL], [RESULT]),
    ],
    ids=["message", "system", "tools", "order"],
)
def test_bound_thinking(changed: Json) -> None:
    past = answers_of(ANSWER, binds_thinking=True)
    past.check(request([{"type": "text", "text": "The time?"}], ANSWER, [RESULT]))
    with pytest.raises(InvalidRequestError, match="bound to a different conversation"):
        past.check(changed)
    drop = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    past.check({**changed, "thinking": drop})

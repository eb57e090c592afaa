"""The projection: what the model is shown of a log, case by case."""

from typing import Any

from agents.projection import project
from agents.turn import Event
from agents.turn.events import AssistantMsg, MessageStatus, ResultStatus, ToolCall, ToolResult, TurnEnded, UserMsg
from agents.turn.inputs import ModelRef
from tests.messages_api.rules import check_request


def heard(words: str, turn: int = 1, step: int = 1) -> UserMsg:
    return UserMsg(turn=turn, step=step, content=[said(words)])


def answered(*content: Any, turn: int = 1, step: int = 1, status: MessageStatus = "completed") -> AssistantMsg:
    return AssistantMsg(turn=turn, step=step, message_id=f"m{turn}.{step}", content=content, status=status)


def called(key: str, turn: int = 1, step: int = 1) -> ToolCall:
    return ToolCall(turn=turn, step=step, tool_call_id=key, name="dig", arguments={"depth": 1})


def returned(key: str, content: str = "done", status: ResultStatus = "ok", turn: int = 1) -> ToolResult:
    return ToolResult(turn=turn, tool_call_id=key, content=content, status=status)


def said(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def asks(key: str) -> dict[str, Any]:
    return {"type": "tool_call", "tool_call_id": key}


def use(key: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": key, "name": "dig", "input": {"depth": 1}}


def gave(key: str, content: str = "done") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": key, "content": content}


def failed(key: str, content: str) -> dict[str, Any]:
    return {**gave(key, content), "is_error": True}


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def assistant(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


def shown(*events: Event, turn: int, step: int = 1) -> list[dict[str, Any]]:
    """The projection, which the provider must accept."""
    messages = project(events, ModelRef(turn, step))
    check_request({"model": "m", "max_tokens": 1, "messages": messages})
    return messages


ENDED = TurnEnded(turn=1, outcome="completed")


def test_question_and_answer() -> None:
    log = (heard("a"), answered(said("b")), ENDED, heard("c", turn=2))
    assert shown(*log, turn=2) == [user(said("a")), assistant(said("b")), user(said("c"))]


def test_calls_and_results_are_paired_in_the_order_of_the_calls() -> None:
    log = (
        *(heard("a"), answered(said("b"), asks("x"), asks("y"), asks("z"))),
        *(called("x"), called("y"), called("z")),
        *(returned("z", "3"), returned("x", "1"), returned("y", "2")),
    )
    assert shown(*log, turn=1, step=2) == [
        user(said("a")),
        assistant(said("b"), use("x"), use("y"), use("z")),
        user(gave("x", "1"), gave("y", "2"), gave("z", "3")),
    ]


def test_every_result_but_a_good_one_is_an_error() -> None:
    log: tuple[Event, ...] = (
        *(heard("a"), answered(*map(asks, "vwxyz"))),
        *map(called, "vwxyz"),
        *(returned("v", "no", "denied"), returned("w", "late", "timeout"), returned("x", "bad", "error")),
        *(returned("y", "[cancelled]", "cancelled"), returned("z", "?", "unknown")),
    )
    assert shown(*log, turn=1, step=2)[-1] == user(
        failed("v", "no"), failed("w", "late"), failed("x", "bad"), failed("y", "[cancelled]"), failed("z", "?")
    )


def test_an_empty_result_is_a_result() -> None:
    log = (heard("a"), answered(asks("x")), called("x"), returned("x", ""))
    assert shown(*log, turn=1, step=2)[-1] == user(gave("x", ""))


def test_results_come_before_what_the_user_said_meanwhile() -> None:
    log = (
        *(heard("a"), answered(asks("x")), called("x")),
        *(heard("hurry", step=2), returned("x")),
    )
    assert shown(*log, turn=1, step=2) == [user(said("a")), assistant(use("x")), user(gave("x"), said("hurry"))]


def test_a_steering_message_stands_where_the_model_first_read_it() -> None:
    # It arrived while the first answer streamed: that answer cannot have known of it.
    log = (heard("a"), heard("and b", step=2), answered(said("a it is")))
    assert shown(*log, turn=1, step=2) == [user(said("a")), assistant(said("a it is")), user(said("and b"))]


def test_a_steering_message_is_not_shown_to_the_call_before() -> None:
    log = (heard("a"), heard("and b", step=2))
    assert shown(*log, turn=1) == [user(said("a"))]


def test_queued_messages_stand_behind_the_turn_that_ran() -> None:
    log = (heard("a"), heard("b", turn=2), heard("c", turn=2), answered(said("first")), ENDED)
    assert shown(*log, turn=1) == [user(said("a"))]
    assert shown(*log, turn=2) == [user(said("a")), assistant(said("first")), user(said("b"), said("c"))]


def test_of_an_answer_that_was_cut_off_the_text_is_kept() -> None:
    for status in ("cancelled", "interrupted"):
        log = (heard("a"), answered(said("half a"), status=status), ENDED, heard("b", turn=2))
        assert shown(*log, turn=2) == [user(said("a")), assistant(said("half a")), user(said("b"))]


def test_a_turn_without_an_answer_leaves_its_question() -> None:
    log = (heard("a"), TurnEnded(turn=1, outcome="failed"), heard("b", turn=2))
    assert shown(*log, turn=2) == [user(said("a"), said("b"))]


def test_blank_text_is_not_sent_back() -> None:
    log = (heard("a"), answered(said(" \n"), asks("x"), said("")), called("x"), returned("x"))
    assert shown(*log, turn=1, step=2) == [user(said("a")), assistant(use("x")), user(gave("x"))]


def test_a_cut_off_answer_of_white_space_is_nothing() -> None:
    log = (heard("a"), answered(said("  "), status="cancelled"), ENDED, heard("b", turn=2))
    assert shown(*log, turn=2) == [user(said("a"), said("b"))]


def test_thinking_goes_back_with_its_signature() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    log = (heard("a"), answered(thought, asks("x")), called("x"), returned("x"))
    assert shown(*log, turn=1, step=2)[1] == assistant(thought, use("x"))


def test_an_answer_that_paused_is_continued_in_the_same_message() -> None:
    searching = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    log: tuple[Event, ...] = (heard("a"), answered(said("searching"), searching))
    assert shown(*log, turn=1, step=2) == [user(said("a")), assistant(said("searching"), searching)]
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    log = (*log, answered(found, said("found"), step=2), ENDED, heard("b", turn=2))
    assert shown(*log, turn=2)[1] == assistant(said("searching"), searching, found, said("found"))


def test_what_the_provider_never_finished_is_left_out_once_a_message_follows() -> None:
    searching = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    thought = {"type": "thinking", "thinking": "Search.", "signature": "s"}
    log = (heard("a"), answered(said("searching"), searching), ENDED, heard("b", turn=2))
    assert shown(*log, turn=2) == [user(said("a")), assistant(said("searching")), user(said("b"))]
    log = (heard("a"), answered(thought, searching), ENDED, heard("b", turn=2))
    assert shown(*log, turn=2) == [user(said("a"), said("b"))], "thinking alone is no answer"


def test_a_call_whose_turn_was_cancelled_keeps_its_result() -> None:
    log = (
        *(heard("a"), answered(asks("x")), called("x"), returned("x", "[cancelled]", "cancelled")),
        *(TurnEnded(turn=1, outcome="cancelled"), heard("b", turn=2)),
    )
    assert shown(*log, turn=2) == [
        user(said("a")),
        assistant(use("x")),
        user(failed("x", "[cancelled]"), said("b")),
    ]


def test_what_is_shown_is_a_copy() -> None:
    log = (heard("a"),)
    shown(*log, turn=1)[0]["content"][0]["text"] = "changed"
    assert shown(*log, turn=1) == [user(said("a"))]

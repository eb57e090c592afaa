"""The stand-in is as strict as the provider: requests that the provider refuses are refused here."""

import base64
from typing import Any

import pytest

from tests.messages_api.rules import InvalidRequestError, check_request

USER = {"role": "user", "content": "Hello"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}
CALLED = {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}, CALL]}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "12:00"}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
THOUGHT = {"type": "thinking", "thinking": "", "signature": ""}
PICTURE = {"type": "image", "source": {}}
FAILED = {**RESULT, "is_error": True}


def picture(data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    source = {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}
    return {"type": "image", "source": source}


PNG = picture(b"\x89PNG\r\n\x1a\n")
PNG_AS_JPEG = picture(b"\x89PNG\r\n\x1a\n", "image/jpeg")
NO_PNG = picture(b"<svg/>")
ANSWERED = {"role": "user", "content": [RESULT]}


def with_schema(**schema: Any) -> dict[str, Any]:
    return {"name": "a", "input_schema": {"type": "object", **schema}}


CLOCK = {**with_schema(properties={"x.y-z_1": {"properties": {"größe": {"anyOf": [{}]}}}}), "name": "clock"}
"""A tool as the provider takes it: its rules are for the root of the schema only."""


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 10, "messages": list(messages), **fields}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


@pytest.mark.parametrize(
    "messages",
    [
        [USER],
        [USER, assistant({"type": "text", "text": "Hi"}), USER],
        [USER, CALLED, ANSWERED],
        [USER, CALLED, user(RESULT, {"type": "text", "text": "and?"})],
        [USER, CALLED, user({**RESULT, "is_error": True, "content": "no"})],
        [USER, CALLED, user({**RESULT, "content": ""})],
        [USER, assistant({"type": "thinking", "thinking": "Hm", "signature": "s"}, CALL), ANSWERED],
        [USER, assistant(SEARCH, FOUND), USER],
        [USER, assistant(SEARCH)],
    ],
)
def test_valid_requests(messages: list[Any]) -> None:
    check_request(body(*messages))
    check_request(body(*messages, tools=[CLOCK]))


@pytest.mark.parametrize(
    ("request_body", "problem"),
    [
        pytest.param([], "object", id="no object"),
        pytest.param(body(), "at least one", id="no messages"),
        pytest.param(body(USER, model=""), "model", id="no model"),
        pytest.param(body(USER, max_tokens=0), "max_tokens", id="no tokens"),
        pytest.param(body(assistant({"type": "text", "text": "Hi"})), "alternate", id="assistant first"),
        pytest.param(body(USER, USER), "alternate", id="twice the same role"),
        pytest.param(body({"role": "system", "content": "x"}), "alternate", id="unknown role"),
        pytest.param(body({**USER, "id": 1}), "extra inputs", id="metadata in a message"),
        pytest.param(body(user({"type": "text", "text": "x", "html": "x"})), "extra inputs", id="metadata in a block"),
        pytest.param(body(user()), "non-empty", id="no content"),
        pytest.param(body({"role": "user", "content": ""}), "non-empty", id="empty string"),
        pytest.param(body(user({"type": "text", "text": ""})), "non-empty", id="empty text"),
        pytest.param(body(user({"text": "x"})), "type", id="block without type"),
        pytest.param(body(USER, CALLED), "without tool_result", id="dangling call at the end"),
        pytest.param(body(USER, CALLED, USER), "without tool_result", id="dangling call"),
        pytest.param(body(user(RESULT)), "unexpected tool_use_id", id="orphan result"),
        pytest.param(body(USER, CALLED, user(RESULT, RESULT)), "single result", id="two results"),
        pytest.param(
            body(USER, CALLED, user({"type": "text", "text": "x"}, RESULT)), "come first", id="text before result"
        ),
        pytest.param(
            body(USER, assistant(CALL, CALL), ANSWERED), "unique", id="the same id twice"
        ),
        pytest.param(body(USER, assistant({**CALL, "id": "a b"}), ANSWERED), "pattern", id="bad id"),
        pytest.param(body(USER, assistant({**CALL, "name": ""}), ANSWERED), "name", id="a tool without a name"),
        pytest.param(body(USER, assistant({**CALL, "name": "a" * 129}), ANSWERED), "name", id="a long tool name"),
        pytest.param(body(USER, assistant({**CALL, "name": "a.b"}), ANSWERED), "name", id="a dot in a tool name"),
        pytest.param(body(USER, CALLED, user({**FAILED, "content": ""})), "cannot be empty", id="a silent error"),
        pytest.param(body(USER, CALLED, user({**FAILED, "content": []})), "cannot be empty", id="an empty error"),
        pytest.param(body(USER, CALLED, user({**FAILED, "content": [PNG]})), "must be type", id="an error with it"),
        pytest.param(body(user(NO_PNG)), "not a valid image/png", id="a picture that is none"),
        pytest.param(body(user(PNG_AS_JPEG)), "not a valid image/jpeg", id="a picture of another type"),
        pytest.param(body(USER, assistant({**CALL, "input": "{}"}), ANSWERED), "object", id="input as text"),
        pytest.param(body(USER, assistant({**CALL, "malformed": "{"}), ANSWERED), "extra", id="our own mark"),
        pytest.param(body(user({"type": "tool_call", "tool_call_id": "x"})), "does not match", id="our own block"),
        pytest.param(body(user(CALL)), "the assistant's", id="a call of the user"),
        pytest.param(body(user(THOUGHT)), "the assistant's", id="thinking of the user"),
        pytest.param(body(user({"type": "image", "source": "cat.png"})), "source", id="image without source"),
        pytest.param(body(USER, assistant(PICTURE), USER), "the user's", id="image of the assistant"),
        pytest.param(body(USER, assistant(SEARCH), USER), "without a corresponding", id="a search in the middle"),
        pytest.param(body(USER, assistant(FOUND), USER), "unexpected `tool_use_id`", id="found without a search"),
        pytest.param(body(USER, assistant({**SEARCH, "id": "toolu_1"})), "bad pattern", id="id of a search"),
        pytest.param(body(USER, CALLED, user({**RESULT, "content": [CALL]})), "in a result", id="a call in a result"),
        pytest.param(body(USER, CALLED, user({**RESULT, "content": {}})), "a text or blocks", id="an object as result"),
        pytest.param(body(USER, tools=[{"name": "a b"}]), "bad name", id="tool name"),
        pytest.param(body(USER, tools=[{"name": "a"}]), "input_schema", id="tool without schema"),
        pytest.param(body(USER, tools=[with_schema(anyOf=[])]), "does not support oneOf, allOf, or anyOf", id="anyOf"),
        pytest.param(body(USER, tools=[with_schema(oneOf=[])]), "at the top level", id="oneOf"),
        pytest.param(body(USER, tools=[CLOCK, with_schema(allOf=[])]), r"tools\.1\.custom.*top level", id="allOf"),
        pytest.param(body(USER, tools=[with_schema(properties={"größe": {}})]), "should match", id="umlaut"),
        pytest.param(body(USER, tools=[with_schema(properties={"a[b]": {}})]), "Property keys", id="bracket"),
        pytest.param(body(USER, tools=[with_schema(properties={"x": {"type": "any"}})]), "draft 2020-12", id="no type"),
        pytest.param(body(USER, tools=[with_schema(properties={"x" * 65: {}})]), "Property keys", id="long key"),
    ],
)  # fmt: skip
def test_invalid_requests(request_body: Any, problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        check_request(request_body)

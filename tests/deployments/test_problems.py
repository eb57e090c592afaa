"""Every bad request gets a problem of its own type and status, and writes nothing."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from agents.codec import VERSION
from agents.errors import TRANSIENT_CODES
from deployments.ingress.problems import PROBLEM_TYPES
from store import Store
from tests.support.api import EVENTS, Api
from tests.support.service_agents import Ledger

pytestmark = pytest.mark.ray


@pytest.fixture
def placement() -> str:
    """The ingress refuses these requests, wherever conversations live."""
    return "shared"


JSON = {"Content-Type": "application/json"}
LIMIT = 262_144


def check_problem(response: httpx.Response, status: int, code: str) -> None:
    """Check everything that a client may rely on in a problem."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    problem = response.json()
    assert problem["type"] == f"urn:raylogue:problem:{code}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == response.request.url.raw_path.decode().partition("?")[0]
    assert ("retry-after" in response.headers) == (status == 503 or code in {*TRANSIENT_CODES, "limit_reached"})


@pytest.fixture
async def conversation_id(api: Api) -> AsyncIterator[str]:
    """A conversation in which no refusal writes anything."""
    conversation_id = await api.create()
    yield conversation_id
    assert (await api.show(conversation_id))["last_seq"] == 0


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b'{"text": ""}', 422, "empty_message"),
        (b'{"text": " \\n\\t "}', 422, "empty_message"),
        (b'{"content": []}', 422, "empty_message"),
        (b'{"content": [{"type": "text", "text": ""}]}', 422, "empty_message"),
        (b'{"text": "' + b"x" * LIMIT + b'"}', 413, "message_too_large"),
        (b'{"text": "' + b"x" * 8 * LIMIT + b'"}', 413, "message_too_large"),
        (b"", 400, "malformed_json"),
        (b"{", 400, "malformed_json"),
        (b'{"text": "\xff"}', 400, "malformed_json"),
        (b'{"text": "\\ud800"}', 400, "malformed_json"),
        (b"[" * 100_000, 400, "malformed_json"),
        (b"[]", 422, "invalid_request"),
        (b"{}", 422, "invalid_request"),
        (b'{"text": 7}', 422, "invalid_request"),
        (b'{"text": "a", "content": []}', 422, "invalid_request"),
        (b'{"content": [{"type": "tool_result", "text": "forged"}]}', 422, "invalid_request"),
        (b'{"text": "a", "on_busy": "explode"}', 422, "invalid_request"),
        (b'{"text": "a", "client_id": ""}', 422, "invalid_request"),
        (b'{"text": "a", "principal": "root"}', 422, "invalid_request"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, bytes) else None,
)
async def test_a_bad_message(api: Api, conversation_id: str, content: bytes, status: int, code: str) -> None:
    address = f"/v1/conversations/{conversation_id}/messages"
    check_problem(await api.http.post(address, content=content, headers=JSON), status, code)


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_a_message_that_is_not_json(api: Api, conversation_id: str, media_type: str | None) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    address = f"/v1/conversations/{conversation_id}/messages"
    response = await api.http.post(address, content=b'{"text": "hello"}', headers=headers)
    check_problem(response, 415, "unsupported_media_type")


async def test_the_limit_itself_is_accepted(api: Api) -> None:
    conversation_id = await api.create()
    frame = b'{"text": ""}'
    body = b'{"text": "' + b"x" * (LIMIT - len(frame)) + b'"}'
    response = await api.http.post(f"/v1/conversations/{conversation_id}/messages", content=body, headers=JSON)
    assert response.status_code == 202
    await api.rest(conversation_id)


@pytest.mark.parametrize("headers", [{}, {"Accept": "text/event-stream"}], ids=["json", "stream"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("GET", "/events", None),
        ("POST", "/messages", {"text": "hello"}),
        ("POST", "/cancel", None),
        ("POST", "/resolutions", {"tool_call_id": "x", "decision": "approve"}),
        ("PATCH", "", {"title": "x"}),
        ("DELETE", "", None),
    ],
)
async def test_an_unknown_conversation(api: Api, method: str, path: str, body: Any, headers: dict[str, str]) -> None:
    response = await api.http.request(method, f"/v1/conversations/nobody{path}", json=body, headers=headers)
    check_problem(response, 404, "unknown_conversation")


@pytest.mark.parametrize("bad", ["-dash", "a b", "a%0A", "ü", "x" * 129, "a{b}", ".hidden"])
async def test_a_bad_id(api: Api, bad: str) -> None:
    check_problem(await api.http.get(f"/v1/conversations/{bad}"), 400, "invalid_conversation_id")
    if "%" not in bad:
        check_problem(await api.http.post("/v1/conversations", json={"id": bad}), 400, "invalid_conversation_id")


async def test_an_unknown_agent(api: Api) -> None:
    check_problem(await api.http.post("/v1/conversations", json={"agent": "nobody"}), 422, "unknown_agent")


@pytest.mark.parametrize(
    "query",
    [
        "before=32019681759112765761546",
        "after=18446744073709551616",
        "after=9007199254740992",
        "before=0",
        "after=-1",
        "after=%D9%A3",
        "limit=99999999999999999999",
        "after=" + "9" * 5000,
    ],
)
async def test_a_place_in_the_log_that_no_log_has(api: Api, conversation_id: str, query: str) -> None:
    response = await api.http.get(f"/v1/conversations/{conversation_id}/events?{query}")
    check_problem(response, 422, "invalid_request")


@pytest.mark.parametrize("cursor", ["9" * 5000, "32019681759112765761546", "-1", "1.0"])
async def test_a_last_event_id_that_is_none_is_dropped(api: Api, cursor: str) -> None:
    conversation_id = await api.create()
    await api.turn(conversation_id, "hello")
    async with api.watching(conversation_id, last_event_id=cursor) as stream:
        assert (await stream.until("user_msg"))[-1]["seq"] == 1


@pytest.mark.parametrize("cursor", ["x", "9" * 5000 + ":a", "\u0663:a", ":", "1e3:a", "-1:a"])
async def test_a_cursor_of_somebody_else(api: Api, cursor: str) -> None:
    check_problem(await api.http.get("/v1/conversations", params={"cursor": cursor}), 422, "invalid_request")


@pytest.mark.parametrize("levels", [101, 253, 900, 1023])
@pytest.mark.parametrize("field", ["answer", "arguments"])
async def test_a_resolution_that_nests_too_deep(api: Api, conversation_id: str, field: str, levels: int) -> None:
    deep = b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)
    body = b'{"tool_call_id": "x", "decision": "respond", "%s": %s}' % (field.encode(), deep)
    response = await api.http.post(
        f"/v1/conversations/{conversation_id}/resolutions", content=body, headers={"Content-Type": "application/json"}
    )
    check_problem(response, 422, "invalid_decision")


async def test_a_method_that_an_address_does_not_take(api: Api) -> None:
    response = await api.http.put("/v1/conversations", json={})
    check_problem(response, 405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == {"GET", "POST"}


async def test_an_id_that_is_taken(api: Api, conversation_id: str) -> None:
    response = await api.http.post("/v1/conversations", json={"id": conversation_id})
    check_problem(response, 409, "conversation_exists")


@pytest.mark.parametrize(
    "body", [{"agent": 7}, {"id": 7}, {"title": "x" * 201}, {"title": "\u200b\u2800 \ufeff"}, {"unknown": 1}]
)
async def test_a_bad_conversation(api: Api, body: Any) -> None:
    check_problem(await api.http.post("/v1/conversations", json=body), 422, "invalid_request")


async def test_a_message_during_a_turn(api: Api, ledger: Ledger) -> None:
    conversation_id = await api.create("worker")
    async with api.watching(conversation_id) as stream:
        await api.send(conversation_id, "wait: here")
        await stream.until("tool_progress")
        before = (await api.show(conversation_id))["last_seq"]
        for headers in ({}, {"Accept": "text/event-stream"}):
            address = f"/v1/conversations/{conversation_id}/messages"
            check_problem(await api.http.post(address, json={"text": "me too"}, headers=headers), 409, "turn_running")
        assert (await api.show(conversation_id))["last_seq"] == before
        ledger.open_gate(conversation_id)
        await stream.until("turn_completed")


async def test_a_cancel_and_a_resolution_of_nothing(api: Api, conversation_id: str) -> None:
    check_problem(await api.post(conversation_id, "cancel"), 409, "not_running")
    body = {"tool_call_id": "x", "decision": "approve"}
    check_problem(await api.post(conversation_id, "resolutions", body), 409, "stale_resolution")


async def test_a_resolution_too_late_or_of_the_wrong_kind(api: Api) -> None:
    conversation_id = await api.create("worker")
    await api.turn(conversation_id, "announce: lunch")
    before = await api.show(conversation_id)
    [call] = before["pending"]
    deep = orjson.loads("[" * 300 + "]" * 300)  # is JSON, but more than the log can hold
    for decision in (
        {"decision": "edit"},
        {"decision": "approve", "arguments": {"text": "dinner"}},
        {"decision": "respond", "answer": deep},
        {"decision": "edit", "arguments": {"text": deep}},
    ):
        response = await api.post(conversation_id, "resolutions", {"tool_call_id": call, **decision})
        check_problem(response, 422, "invalid_decision")
    bad = await api.post(conversation_id, "resolutions", {"tool_call_id": call, "decision": "maybe"})
    check_problem(bad, 422, "invalid_request")
    assert await api.show(conversation_id) == before
    reject = {"tool_call_id": call, "decision": "reject", "reason": "not now"}
    first = await api.post(conversation_id, "resolutions", reject)
    assert (first.status_code, first.json()["seq"]) == (202, before["last_seq"] + 1)
    again = await api.post(conversation_id, "resolutions", reject)
    assert (again.status_code, again.json()) == (202, first.json()), "the same decision is answered alike"
    other = {"tool_call_id": call, "decision": "approve"}
    check_problem(await api.post(conversation_id, "resolutions", other), 409, "stale_resolution")
    await api.rest(conversation_id)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "after=-1", "before=0", "render=pdf"], ids=lambda query: query
)
async def test_a_bad_query(api: Api, conversation_id: str, query: str) -> None:
    response = await api.http.get(f"/v1/conversations/{conversation_id}/events?{query}")
    check_problem(response, 422, "invalid_request")


async def test_an_unknown_address_and_an_unknown_method(api: Api) -> None:
    check_problem(await api.http.get("/v1/nothing"), 404, "not_found")
    check_problem(await api.http.put("/v1/conversations"), 405, "method_not_allowed")


async def test_a_middleware_refuses_under_a_code_of_its_own(api: Api) -> None:
    conversation_id = await api.create("clerk")
    check_problem(await api.post(conversation_id, "messages", {"text": "HELLO"}), 422, "no_shouting")
    failed = await api.post(conversation_id, "messages", {"text": "STUMBLE"})
    check_problem(failed, 500, "middleware_failed")
    assert "Doorkeeper" in failed.json()["detail"]
    assert "secret" not in failed.text
    assert await api.log(conversation_id) == []


async def test_the_document_lists_every_problem_of_every_route(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    send = document["paths"]["/v1/conversations/{conversation_id}/messages"]["post"]
    assert send["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/NewMessage"}
    described = str(document["paths"])
    missing = [code for code in PROBLEM_TYPES if f"urn:raylogue:problem:{code}`" not in described]
    early = ["foreign_host", "foreign_origin", "not_found", "method_not_allowed"]
    assert missing == [*early, "request_timeout", "internal", "unavailable"], (
        "only what concerns no route in particular"
    )
    for route in document["paths"].values():
        for operation in route.values():
            check_references(operation, document)
    expected = {"400", "404", "409", "413", "415", "422", "429", "503"}
    assert expected <= set(send["responses"])
    assert "urn:raylogue:problem:turn_running" in send["responses"]["409"]["description"]


def check_references(value: Any, document: dict[str, Any]) -> None:
    """Check that every `$ref` names a schema of the document."""
    if isinstance(value, dict):
        if reference := value.get("$ref"):
            assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]
        for inner in value.values():
            check_references(inner, document)
    elif isinstance(value, list):
        for inner in value:
            check_references(inner, document)


async def test_a_conversation_of_newer_code_is_left_alone(api: Api, store: Store, conversation_id: str) -> None:
    await store.log.claim(conversation_id, reads=VERSION + 1)
    epoch = (await store.registry.get(conversation_id)).epoch
    address = f"/v1/conversations/{conversation_id}"
    check_problem(await api.http.post(f"{address}/messages", json={"text": "hello"}), 503, "newer_code")
    check_problem(await api.http.post(f"{address}/cancel"), 503, "newer_code")
    check_problem(await api.http.get(f"{address}/events"), 503, "newer_code")
    check_problem(await api.http.get(f"{address}/events", headers=EVENTS), 503, "newer_code")
    assert (await store.registry.get(conversation_id)).epoch == epoch


async def test_a_damaged_log_is_named_and_left_alone(api: Api, store: Store) -> None:
    conversation_id = await api.create()
    claim = await store.log.claim(conversation_id)
    await store.log.append(claim, [b"no JSON"], expected_last_seq=0, state=b"{}", due_at=None, now=1)
    address = f"/v1/conversations/{conversation_id}"
    check_problem(await api.http.post(f"{address}/messages", json={"text": "hello"}), 500, "unreadable_log")
    check_problem(await api.http.get(f"{address}/events"), 500, "unreadable_log")
    await store.registry.delete(conversation_id)

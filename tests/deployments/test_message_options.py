"""What a message may have beside text: a model, and images and documents within their bounds."""

import base64
from typing import Any

import orjson
import pytest

from tests.deployments.conftest import in_the_ingress
from tests.deployments.test_problems import check_problem
from tests.support.api import Api

pytestmark = pytest.mark.ray

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(60)).decode()
PDF = base64.b64encode(b"%PDF-1.7\n").decode()
TEXT = {"type": "text", "text": "what is this?"}


def image(data: str = PIXEL, media_type: str = "image/png") -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def document(**source: str) -> dict[str, Any]:
    return {"type": "document", "source": source}


async def test_a_message_chooses_its_model(api: Api) -> None:
    conversation_id = await api.create("clerk")
    for model in ("fast", None, "slow"):
        await api.turn(conversation_id, "hello", **({"model": model} if model else {}))
    log = await api.log(conversation_id)
    assert [event["model"] for event in log if event["type"] == "user_msg"] == ["fast", None, "slow"]
    assert [event["model"] for event in log if event["type"] == "assistant_msg"] == ["fast", "slow", "slow"]


@in_the_ingress
async def test_an_unknown_model_is_refused(api: Api) -> None:
    conversation_id = await api.create("clerk")
    body = {"text": "hello", "model": "clever"}
    check_problem(await api.post(conversation_id, "messages", body), 422, "unknown_model")
    assert await api.log(conversation_id) == []


@in_the_ingress
@pytest.mark.parametrize(
    "block",
    [
        image(),
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {**document(type="base64", media_type="application/pdf", data=PDF), "title": "Contract"},
        document(type="text", media_type="text/plain", data="Once upon a time"),
        document(type="url", url="https://example.org/a.pdf"),
    ],
    ids=lambda block: f"{block['type']}-{block['source']['type']}",
)
async def test_images_and_documents_go_to_the_log_as_they_are(api: Api, block: dict[str, Any]) -> None:
    conversation_id = await api.create("clerk")
    response = await api.post(conversation_id, "messages", {"content": [TEXT, block]})
    assert response.status_code == 202, response.text
    log = await api.rest(conversation_id)
    assert log[0]["content"] == [TEXT, block]


async def test_a_message_with_an_attachment_may_be_larger(api: Api) -> None:
    conversation_id = await api.create("clerk")
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(1_000_000)).decode()
    response = await api.post(conversation_id, "messages", {"content": [image(data), TEXT]})
    assert response.status_code == 202
    log = await api.rest(conversation_id)
    assert log[0]["content"][0]["source"]["data"] == data


async def test_an_image_gets_the_media_type_that_its_bytes_have(api: Api) -> None:
    conversation_id = await api.create("clerk")
    response = await api.post(conversation_id, "messages", {"content": [image(media_type="image/jpeg"), TEXT]})
    assert response.status_code == 202
    log = await api.rest(conversation_id)
    assert log[0]["content"] == [image(), TEXT], "a provider would refuse the whole conversation from now on"


@pytest.mark.parametrize(
    "block",
    [
        image(base64.b64encode(b"<svg/>").decode()),
        document(type="base64", media_type="application/pdf", data=PIXEL),
    ],
    ids=["image", "document"],
)
async def test_an_attachment_is_what_it_says(api: Api, block: dict[str, Any]) -> None:
    conversation_id = await api.create("clerk")
    check_problem(await api.post(conversation_id, "messages", {"content": [TEXT, block]}), 422, "unreadable_attachment")
    assert await api.log(conversation_id) == []


@in_the_ingress
@pytest.mark.parametrize(
    "block",
    [
        image("this is no base64!"),
        image(""),
        image(media_type="image/svg+xml"),
        image(media_type="application/pdf"),
        {"type": "image", "source": {"type": "url", "url": "http://example.org/a.png"}},
        {"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}},
        {"type": "image", "source": {"type": "file", "file_id": "f1"}},
        {"type": "image"},
        {**image(), "cache_control": {"type": "ephemeral"}},
        document(type="base64", media_type="image/png", data=PIXEL),
        document(type="text", media_type="text/plain", data=""),
        {**document(type="text", media_type="text/plain", data="x"), "title": "x" * 201},
    ],
    ids=str,
)
async def test_a_bad_attachment(api: Api, block: dict[str, Any]) -> None:
    conversation_id = await api.create("clerk")
    check_problem(await api.post(conversation_id, "messages", {"content": [TEXT, block]}), 422, "invalid_request")


@in_the_ingress
async def test_attachments_have_their_bounds(api: Api) -> None:
    conversation_id = await api.create("clerk")
    check_problem(await api.post(conversation_id, "messages", {"content": [image()] * 21}), 422, "invalid_request")
    huge = base64.b64encode(bytes(5_000_000)).decode()
    check_problem(await api.post(conversation_id, "messages", {"content": [image(huge)]}), 413, "message_too_large")
    words = {"content": [{"type": "text", "text": "x" * 262_144}]}
    check_problem(await api.post(conversation_id, "messages", words), 413, "message_too_large")


async def test_an_approval_of_arguments_that_were_not_shown(api: Api) -> None:
    conversation_id = await api.create("clerk")
    events = await api.turn(conversation_id, 'publish {"text": "tea"}')
    [(call, asked)] = events[-2]["pending"].items()
    assert (asked["name"], asked["decisions"], asked["form"]) == ("publish", ["approve", "edit", "reject"], None)
    body = {"tool_call_id": call, "decision": "approve"}
    changed = await api.post(conversation_id, "resolutions", {**body, "arguments_hash": "0" * 64})
    check_problem(changed, 409, "arguments_changed")
    shown = await api.post(conversation_id, "resolutions", {**body, "arguments_hash": asked["arguments_hash"]})
    assert shown.status_code == 202
    assert [event["status"] for event in await api.rest(conversation_id) if event["type"] == "tool_result"] == ["ok"]


async def test_a_decision_that_the_tool_does_not_take(api: Api) -> None:
    conversation_id = await api.create("clerk")
    events = await api.turn(conversation_id, 'publish {"text": "tea"}')
    [call] = events[-2]["pending"]
    body = {"tool_call_id": call, "decision": "respond", "answer": "done"}
    check_problem(await api.post(conversation_id, "resolutions", body), 422, "invalid_decision")
    check_problem(
        await api.post(conversation_id, "resolutions", {"tool_call_id": call, "decision": "expire"}),
        422,
        "invalid_request",
    )


async def test_the_answer_to_a_form_must_fit_its_questions(api: Api) -> None:
    conversation_id = await api.create("clerk")
    question = '{"id": "where", "prompt": "Where?", "options": [{"label": "here"}, {"label": "there"}]}'
    events = await api.turn(conversation_id, f'ask_user {{"questions": [{question}]}}')
    [(call, asked)] = events[-2]["pending"].items()
    assert asked["kind"] == "elicitation"
    assert asked["form"]["questions"][0]["id"] == "where"
    body = {"tool_call_id": call, "decision": "respond"}
    for answer in ("here", {"where": "nowhere"}, {}, {"where": "here", "when": "now"}):
        check_problem(
            await api.post(conversation_id, "resolutions", {**body, "answer": answer}), 422, "invalid_decision"
        )
    response = await api.post(conversation_id, "resolutions", {**body, "answer": {"where": "there"}})
    assert response.status_code == 202
    [result] = [event for event in await api.rest(conversation_id) if event["type"] == "tool_result"]
    assert orjson.loads(result["content"]) == {"where": "there"}

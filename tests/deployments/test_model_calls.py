"""The audit of what was sent to the model, which an agent may keep for some time."""

import pytest

from tests.deployments.test_problems import check_problem
from tests.support.api import Api, eventually

pytestmark = pytest.mark.ray


async def test_the_latest_calls_come_first(api: Api) -> None:
    conversation_id = await api.create("clerk")
    address = f"/v1/conversations/{conversation_id}/model_calls"
    for words in ("first", "second"):
        await api.turn(conversation_id, words)

    async def written() -> bool:
        return len((await api.http.get(address)).json()["model_calls"]) == 2

    await eventually(written)
    calls = (await api.http.get(address)).json()["model_calls"]
    assert [call["turn"] for call in calls] == [2, 1]
    assert [message["role"] for message in calls[0]["request"]["messages"]] == ["user", "assistant", "user"]
    assert calls[1]["request"]["messages"] == [{"role": "user", "content": [{"type": "text", "text": "first"}]}]
    assert (await api.http.get(address, params={"limit": 1})).json()["model_calls"] == calls[:1]


async def test_an_agent_without_an_audit(api: Api) -> None:
    conversation_id = await api.create("worker")
    await api.turn(conversation_id, "hello")
    assert (await api.http.get(f"/v1/conversations/{conversation_id}/model_calls")).json() == {"model_calls": []}


async def test_bad_requests(api: Api) -> None:
    check_problem(await api.http.get("/v1/conversations/nobody/model_calls"), 404, "unknown_conversation")
    conversation_id = await api.create("clerk")
    for limit in (0, 101, "x"):
        address = f"/v1/conversations/{conversation_id}/model_calls"
        check_problem(await api.http.get(address, params={"limit": limit}), 422, "invalid_request")

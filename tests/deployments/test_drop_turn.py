"""A turn is dropped over HTTP: by anyone who writes, in any replica, whether the conversation lives or not."""

import asyncio

import pytest

from tests.support.api import Api

pytestmark = pytest.mark.ray


async def test_a_turn_is_left_out_and_taken_in_again(api: Api) -> None:
    conversation_id = await api.create()
    for words in ("hello", "again"):
        await api.turn(conversation_id, words)
    address = f"/v1/conversations/{conversation_id}/turns/1/drop"
    dropped = await api.http.post(address)
    assert (dropped.status_code, dropped.json()) == (
        202,
        {"conversation_id": conversation_id, "turn": 1, "dropped": True, "seq": 7},
    )
    both = await asyncio.gather(api.http.post(address), api.http.post(address))
    assert [(answer.status_code, answer.json()["seq"]) for answer in both] == [(202, 7)] * 2
    log = await api.rest(conversation_id, turns=2)
    assert (log[-1]["type"], log[-1]["source"], log[-1]["principal"]) == ("state_patch", "context", "local")
    assert log[-1]["patch"] == {"pictures": [], "turns": [1], "first_turn": 0, "dropped": [1]}
    restored = await api.http.delete(address)
    assert restored.json() == {"conversation_id": conversation_id, "turn": 1, "dropped": False, "seq": 8}
    assert [event["type"] for event in await api.turn(conversation_id, "and now?")][-1] == "turn_completed"


async def test_what_cannot_be_dropped(api: Api) -> None:
    conversation_id = await api.create()
    address = f"/v1/conversations/{conversation_id}/turns"
    cases = {f"{address}/1/drop": "unknown_turn", f"{address}/0/drop": "invalid_request"}
    cases["/v1/conversations/nowhere/turns/1/drop"] = "unknown_conversation"
    for url, code in cases.items():
        for answer in (await api.http.post(url), await api.http.delete(url)):
            assert answer.json()["type"] == f"urn:raylogue:problem:{code}", url
    await api.turn(conversation_id, "announce: lunch is ready")
    answer = await api.http.post(f"{address}/1/drop")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:raylogue:problem:turn_running")

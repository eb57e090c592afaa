"""Redis dies and comes back while the service runs: callers are told, and what was acknowledged is answered."""

import pytest

from tests.deployments.conftest import in_the_ingress
from tests.deployments.test_problems import check_problem
from tests.servers.process import send_command
from tests.support.api import Api, eventually
from tests.support.service import RunningService
from tests.support.service_agents import Ledger

pytestmark = pytest.mark.ray

REFUSALS = {
    "out of memory": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "read-only": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
}


async def test_every_acknowledged_message_is_answered_after_redis_has_been_away(
    api: Api, service: RunningService, ledger: Ledger
) -> None:
    resting = await api.create()
    await api.turn(resting, "my name is Ada")
    working = [await api.create("worker") for _ in range(2)]
    for conversation_id in working:
        await api.send(conversation_id, "wait: here", client_id="m1")

    async def all_started() -> bool:
        return all(ledger.read(conversation_id) for conversation_id in working)

    await eventually(all_started)
    service.redis.kill()
    try:
        for method, path, body in (
            ("POST", "/v1/conversations", {}),
            ("GET", f"/v1/conversations/{resting}", None),
            ("GET", f"/v1/conversations/{resting}/events", None),
            ("POST", f"/v1/conversations/{resting}/messages", {"text": "what is my name?", "client_id": "m2"}),
            ("POST", f"/v1/conversations/{resting}/cancel", None),
            ("GET", "/readyz", None),
        ):
            response = await api.http.request(method, path, json=body)
            assert response.status_code == 503, path
            assert response.headers["content-type"] == "application/problem+json"
            assert response.headers["retry-after"] == "2"
            assert response.json()["type"] == "urn:raylogue:problem:store_unavailable"
        assert (await api.http.get("/healthz")).status_code == 200
        for conversation_id in working:  # the tools end while nothing can be written
            ledger.open_gate(conversation_id)
    finally:
        service.redis.start()  # not in a thread: the server dies with the thread that started it
    for conversation_id in working:
        log = await api.rest(conversation_id)
        assert log[-1]["outcome"] == "completed"
        assert [event["type"] for event in log].count("tool_result") == 1

    async def ready() -> bool:
        return (await api.http.get("/readyz")).status_code == 200

    await eventually(ready)
    await api.turn(resting, "what is my name?", client_id="m2")
    answer = (await api.rest(resting, turns=2))[-2]
    assert "Ada" in answer["content"][0]["text"]


@in_the_ingress
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_redis_that_takes_no_writes_is_read_and_waited_for(
    refusal: str, api: Api, service: RunningService, ledger: Ledger
) -> None:
    resting, working = await api.create(), await api.create("worker")
    await api.turn(resting, "my name is Ada")
    await api.send(working, "wait: here", client_id="m1")

    async def started() -> bool:
        return bool(ledger.read(working))

    await eventually(started)
    begin, end = REFUSALS[refusal]
    assert send_command(service.redis.port, *begin).startswith("+OK")
    try:
        check_problem(await api.http.post("/v1/conversations", json={}), 503, "store_unavailable")
        assert len(await api.log(resting)) == 3, "reading goes on"
        ledger.open_gate(working)  # the tool ends while nothing can be written
        body = {"text": "what is my name?", "client_id": "m2"}
        check_problem(await api.post(resting, "messages", body), 503, "store_unavailable")
    finally:
        assert send_command(service.redis.port, *end).startswith("+OK")
    await api.send(resting, body["text"], client_id=body["client_id"])
    answered = await api.rest(resting, turns=2)
    assert [event["client_id"] for event in answered if event["type"] == "user_msg"][1:] == ["m2"]
    assert "Ada" in answered[-2]["content"][0]["text"]
    log = await api.rest(working)
    assert log[-1]["outcome"] == "completed"
    assert [event["type"] for event in log].count("tool_result") == 1


async def test_a_watcher_lives_through_an_outage(api: Api, service: RunningService) -> None:
    conversation_id = await api.create()
    async with api.watching(conversation_id) as stream:
        await stream.until("snapshot")
        service.redis.restart()
        await stream.until("snapshot", last_seq=0)
        await api.turn(conversation_id, "hello")
        await stream.until("turn_completed")
    assert [event["type"] for event in stream.seen if "v" in event] == ["user_msg", "assistant_msg", "turn_ended"]

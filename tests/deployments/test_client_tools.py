"""Calls for a client: run by a watcher that can, refused at once when no watcher can, and answered once."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest

from store import Store
from tests.deployments.conftest import in_the_ingress
from tests.deployments.test_problems import check_problem
from tests.support.api import Api, Event, eventually

pytestmark = [pytest.mark.ray, in_the_ingress]

CALL = "photograph: a cat"
UNATTENDED = "No client is connected that could execute this."


async def call_of(api: Api, conversation_id: str) -> str:
    """The id of the call that waits, once it does."""

    async def waits() -> bool:
        return bool((await api.show(conversation_id))["pending"])

    await eventually(waits)
    [call] = (await api.show(conversation_id))["pending"]
    return str(call)


async def answer(api: Api, conversation_id: str, call: str, said: object) -> httpx.Response:
    body = {"tool_call_id": call, "decision": "respond", "answer": said}
    return await api.post(conversation_id, "resolutions", body)


def results(log: Sequence[Event]) -> list[tuple[str, object]]:
    return [(event["status"], event["content"]) for event in log if event["type"] == "tool_result"]


@pytest.mark.parametrize("can", [[], ["unlock", "locate"]], ids=["nothing", "other tools"])
async def test_a_watcher_that_cannot_run_it_does_not_count(api: Api, can: list[str]) -> None:
    conversation_id = await api.create("worker")
    async with api.watching(conversation_id, client_tools=can) as stream:
        await stream.until("snapshot")
        await api.send(conversation_id, CALL)
        await stream.until("turn_completed")
    assert results(await api.log(conversation_id)) == [("error", UNATTENDED)]


async def test_a_watcher_that_can_run_it_is_waited_for_and_the_first_answer_counts(api: Api) -> None:
    conversation_id = await api.create("worker")
    async with (
        api.watching(conversation_id, client_tools=["photograph"]) as one,
        api.watching(conversation_id, client_tools=["locate", "photograph"]) as other,
    ):
        await one.until("snapshot")
        await other.until("snapshot")
        await api.send(conversation_id, CALL)
        call = await call_of(api, conversation_id)
        await asyncio.sleep(4)  # longer than a call waits that no client can execute
        answers = await asyncio.gather(*(answer(api, conversation_id, call, said) for said in ("a cat", "the cat")))
        taken, late = sorted(answers, key=lambda response: response.status_code)
        assert taken.status_code == 202
        check_problem(late, 409, "stale_resolution")
        await one.until("turn_completed")
        await other.until("turn_completed")
    assert len(results(await api.log(conversation_id))) == 1


async def test_the_sender_of_a_message_may_run_what_comes_of_it(api: Api) -> None:
    conversation_id = await api.create("worker")
    address = f"/v1/conversations/{conversation_id}/messages"
    options = {"params": {"client_tools": "photograph"}, "headers": {"Accept": "text/event-stream"}}
    sent = await api.http.post(address, json={"text": CALL, "client_id": "m"}, **options)
    assert "event: suspended" in sent.text
    call = await call_of(api, conversation_id)
    async with api.watching(conversation_id, client_tools=["photograph"]):
        assert (await answer(api, conversation_id, call, "a cat")).status_code == 202
    assert results(await api.rest(conversation_id)) == [("ok", "a cat")]


async def test_a_watcher_that_has_left_does_not_count(api: Api, store: Store) -> None:
    conversation_id = await api.create("worker")
    async with api.watching(conversation_id, client_tools=["photograph"]) as stream:
        await stream.until("snapshot")
        assert await store.client_tools.declared(conversation_id) == {"photograph"}

    async def has_left() -> bool:
        return not await store.client_tools.declared(conversation_id)

    await eventually(has_left)
    await api.send(conversation_id, CALL)
    assert results(await api.rest(conversation_id)) == [("error", UNATTENDED)]


@pytest.mark.parametrize("names", [["a b"], ["x" * 65], [""], ["t"] * 33], ids=["space", "long", "empty", "many"])
async def test_names_that_no_tool_has(api: Api, names: list[str]) -> None:
    conversation_id = await api.create("worker")
    address = f"/v1/conversations/{conversation_id}/events"
    check_problem(await api.http.get(address, params={"client_tools": names}), 422, "invalid_request")

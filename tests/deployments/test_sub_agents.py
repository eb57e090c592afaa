"""Sub-agents as actors of their own: SIGKILL anywhere in the tree, questions upwards, answers and cancels downwards."""

import os
import secrets
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from store import Store
from tests.deployments.conftest import check_conversation, pid_of
from tests.servers.contents import dump_contents
from tests.support.api import Api, Event, eventually
from tests.support.service import RunningService
from tests.support.service_agents import Ledger

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


async def children(api: Api, conversation_id: str, count: int = 1) -> list[str]:
    """The ids of the conversation's sub-agents, once there are so many."""
    found: list[str] = []

    async def are_there() -> bool:
        response = await api.http.get(f"/v1/conversations/{conversation_id}/children")
        found[:] = [child["id"] for child in response.json()["conversations"]]
        return len(found) >= count

    await eventually(are_there)
    return found


async def kill(*conversation_ids: str) -> None:
    """SIGKILL the processes of these conversations."""
    pids = {await pid_of(conversation_id) for conversation_id in conversation_ids}  # one host may have them all
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def at_work(ledger: Ledger, conversation_id: str, times: int = 1) -> Callable[[], Awaitable[bool]]:
    async def started() -> bool:
        return [deed for _, deed in ledger.read(conversation_id)].count("started") >= times

    return started


async def pending(api: Api, conversation_id: str) -> tuple[str, dict[str, Any]]:
    """The one open question of a conversation, once there is one."""
    found: dict[str, Any] = {}

    async def asks() -> bool:
        found.update((await api.show(conversation_id))["pending"])
        return bool(found)

    await eventually(asks)
    [(tool_call_id, shown)] = found.items()
    return tool_call_id, shown


def answers(log: list[Event]) -> list[str]:
    texts = [
        "".join(b["text"] for b in e["content"] if b["type"] == "text") for e in log if e["type"] == "assistant_msg"
    ]
    return [text for text in texts if text]


async def finished(api: Api, store: Store, conversation_id: str, answer: str) -> None:
    """Check that the parent and its sub-agents have ended with this answer, each once."""
    log = await api.rest(conversation_id)
    assert answers(log) == [answer]
    calls = [event["tool_call_id"] for event in log if event["type"] == "tool_call"]
    below = await children(api, conversation_id, len(calls))
    assert sorted(below) == sorted(f"{conversation_id}.{call}" for call in calls)
    for child in below:
        types = await api.types(child)
        assert (types.count("user_msg"), types.count("turn_ended")) == (1, 1)
        await check_conversation(store, child)


@pytest.mark.parametrize(("agent", "where"), [("chief", "host:"), ("chief_with_dedicated_workers", "conversation:")])
async def test_a_sub_agent_shares_unless_it_says_otherwise(api: Api, store: Store, agent: str, where: str) -> None:
    conversation_id = await api.create(agent)
    await api.send(conversation_id, "hello")
    await api.rest(conversation_id)
    [child] = await children(api, conversation_id)
    assert ((await store.registry.get(child)).place or "").startswith(where)


@pytest.mark.parametrize("victims", ["parent", "child", "both"])
async def test_killed_while_the_sub_agent_works(api: Api, store: Store, ledger: Ledger, victims: str) -> None:
    conversation_id = await api.create("chief")
    await api.send(conversation_id, "wait: for it")
    [child] = await children(api, conversation_id)
    await eventually(at_work(ledger, child))
    await kill(*{"parent": [conversation_id], "child": [child], "both": [conversation_id, child]}[victims])
    if victims != "parent":
        await eventually(at_work(ledger, child, times=2))
    ledger.open_gate(child)
    await finished(api, store, conversation_id, "It returned: for it")
    assert len({call for call, _ in ledger.read(child)}) == 1, "a repeated call keeps its id"


async def test_killed_while_the_sub_agent_asks_the_answer_still_finds_it(api: Api, store: Store) -> None:
    conversation_id = await api.create("chief")
    await api.send(conversation_id, "announce: lunch")
    tool_call_id, shown = await pending(api, conversation_id)
    [child] = await children(api, conversation_id)
    assert shown["form"]["call"]["conversation"] == child
    assert shown["form"]["call"]["arguments"] == {"text": "lunch"}

    [asked] = (await api.show(child))["pending"]
    refused = await api.post(child, "resolutions", {"tool_call_id": asked, "decision": "approve"})
    assert (refused.status_code, refused.json()["parent"]) == (409, conversation_id)
    await kill(conversation_id, child)
    decision = {"tool_call_id": tool_call_id, "decision": "approve", "arguments_hash": shown["arguments_hash"]}
    assert (await api.post(conversation_id, "resolutions", decision)).status_code == 202
    await api.rest(conversation_id)
    [result] = [event for event in await api.log(child) if event["type"] == "tool_result"]
    assert result["status"] == "ok"
    await finished(api, store, conversation_id, f"It returned: {result['content']}")


async def test_tasks_side_by_side_while_one_of_them_dies(api: Api, store: Store, ledger: Ledger) -> None:
    conversation_id = await api.create("chief")
    await api.send(conversation_id, "wait: one\nwait: two")
    below = await children(api, conversation_id, 2)
    for child in below:
        await eventually(at_work(ledger, child))
    await kill(below[0])
    for child in below:
        ledger.open_gate(child)
    await finished(api, store, conversation_id, "It returned: one / It returned: two")


async def test_cancel_goes_down(api: Api, ledger: Ledger) -> None:
    conversation_id = await api.create("chief")
    await api.send(conversation_id, "wait: for it")
    [child] = await children(api, conversation_id)
    await eventually(at_work(ledger, child))
    assert (await api.post(conversation_id, "cancel")).status_code == 202
    log = await api.rest(child)
    assert [event["outcome"] for event in log if event["type"] == "turn_ended"] == ["cancelled"]


async def test_deleted_with_its_parent(api: Api, ledger: Ledger, store: Store) -> None:
    conversation_id = await api.create("chief")
    await api.send(conversation_id, "wait: for it")
    [child] = await children(api, conversation_id)
    await eventually(at_work(ledger, child))
    assert (await api.http.delete(f"/v1/conversations/{conversation_id}")).status_code == 204
    assert (await api.http.get(f"/v1/conversations/{child}")).status_code == 404
    assert await store.log.read(child) == []


async def test_the_context_crosses_both_actors_and_is_stored_nowhere(
    api: Api, ledger: Ledger, service: RunningService
) -> None:
    trace = secrets.token_hex(16)
    conversation_id = await api.create("chief")
    body, headers = {"text": "witness: it"}, {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
    response = await api.http.post(f"/v1/conversations/{conversation_id}/messages", json=body, headers=headers)
    assert response.status_code == 202
    await api.rest(conversation_id)
    [child] = await children(api, conversation_id)
    assert [deed for _, deed in ledger.read(child)] == [f"{trace},local"]
    stored = await dump_contents(service.redis.url)
    assert "witness: it" in stored
    assert trace not in stored

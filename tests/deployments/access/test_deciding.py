"""Who decides about a call, over HTTP: it is told to each reader, and what another one decides is refused."""

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from agents.agent import Agent, Catalog
from agents.clock import now_ms
from agents.conversation import Conversation
from agents.mcp.pool import McpPool
from agents.models import Call, ScriptedModel, Step
from agents.services import Services
from agents.tools import tool
from agents.turn.approvers import Approver
from agents.turn.inputs import UserMessage
from deployments.access.principal import SCOPES, Role, Scope
from deployments.settings import Settings
from store import Store
from tests.deployments.test_problems import check_problem
from tests.support.access_service import bearer, make_key, serving
from tests.support.api import eventually
from tests.support.conversations import rest, text
from tests.support.service import RunningService

PERSONS: dict[str, Role] = {"ada": "user", "anna": "user", "will": "user", "boss": "admin"}


async def waiting(store: Store, *approvers: Approver, asked_by: str = "acme/ada") -> str:
    """A conversation of Ada's with an approver and a writer, that waits for the approvers; it lives nowhere."""

    @tool(approval="required", approvers=approvers)
    def pay() -> None:
        """Pay."""

    agent = Agent(name="assistant", model=ScriptedModel([Step(calls=[Call("pay", {})])]), tools=(pay,))
    name = uuid.uuid4().hex
    await store.registry.create(name, agent="assistant", principal="acme/ada", now=now_ms())
    for user, role in (("anna", "approver"), ("will", "writer")):
        await store.members.set(name, f"acme/{user}", role, now_ms())
    pool = McpPool()
    conversation = await Conversation.open(Services(store=store, mcp=pool), name, Catalog([agent]))
    await conversation.send(UserMessage(content=text("pay"), principal=asked_by))
    assert await rest(conversation) == "awaiting_input"
    await conversation.stop()
    return name


async def person(store: Store, user: str, scopes: frozenset[Scope] = SCOPES) -> Any:
    return bearer(await make_key(store, user, roles=frozenset({PERSONS[user]}), scopes=scopes))


@pytest.mark.parametrize(
    ("approvers", "asked_by", "allowed", "awaited"),
    [
        ((), "ada", ("ada", "anna", "boss"), ""),
        (("owner",), "ada", ("ada",), "the owner of the conversation"),
        (("members",), "ada", ("ada", "anna"), "the owner or an approver of the conversation"),
        (("admin",), "ada", ("boss",), "an admin of the tenant"),
        (("another",), "ada", ("anna", "boss"), "another person than the one who has asked for it"),
        (("another",), "anna", ("ada", "boss"), "another person than the one who has asked for it"),
        (("members", "another"), "ada", ("anna",), "approver of the conversation, who is also another person"),
    ],
)
async def test_each_is_told_whether_it_may_decide(
    http: httpx.AsyncClient, store: Store, approvers: Sequence[Approver], asked_by: str, allowed: set[str], awaited: str
) -> None:
    name = await waiting(store, *approvers, asked_by=f"acme/{asked_by}")
    before = await store.log.read(name)
    for user in PERSONS:
        shown = await person(store, user)
        [(call, pending)] = (await http.get(f"/v1/conversations/{name}", headers=shown)).json()["pending"].items()
        assert (pending["approvers"], pending["may_decide"]) == (list(approvers), user in allowed), user
        answer = await http.post(
            f"/v1/conversations/{name}/resolutions", json={"tool_call_id": call, "decision": "approve"}, headers=shown
        )
        if user in allowed:
            # It passes, and is not delivered: there are no hosts here.
            check_problem(answer, 503, "control_plane_unavailable")
        elif user == "will":
            check_problem(answer, 403, "not_allowed")
        else:
            check_problem(answer, 403, "not_an_approver")
            assert awaited in answer.json()["detail"]
    assert await store.log.read(name) == before


async def test_whom_it_waits_for_is_told_to_readers_only(http: httpx.AsyncClient, store: Store) -> None:
    name = await waiting(store, "admin")
    [call] = (await http.get(f"/v1/conversations/{name}", headers=await person(store, "ada"))).json()["pending"]
    blind = await person(store, "ada", frozenset({"decide"}))
    body = {"tool_call_id": call, "decision": "approve"}
    answer = await http.post(f"/v1/conversations/{name}/resolutions", json=body, headers=blind)
    check_problem(answer, 403, "not_an_approver")
    assert answer.json()["detail"] == "This waits for another person."
    stranger = bearer(await make_key(store, "eve", "evil"))
    answer = await http.post(f"/v1/conversations/{name}/resolutions", json=body, headers=stranger)
    check_problem(answer, 404, "unknown_conversation")


async def test_the_audit_has_who_tried_without_being_an_approver(store: Store) -> None:
    name = await waiting(store, "another")
    async with serving(store, Settings(auth="keys")) as http:
        ada = await person(store, "ada")
        [call] = (await http.get(f"/v1/conversations/{name}", headers=ada)).json()["pending"]
        body = {"tool_call_id": call, "decision": "approve"}
        check_problem(
            await http.post(f"/v1/conversations/{name}/resolutions", json=body, headers=ada), 403, "not_an_approver"
        )
    [line] = [line.fields() for line in await store.audit.read("acme") if line.fields()["type"] == "refused"]
    assert (line["principal"], line["data"]["code"]) == ("acme/ada", "not_an_approver")
    assert line["data"]["conversations"] == [name]


async def test_without_authentication_the_one_person_is_everyone(store: Store) -> None:
    name = await waiting(store, "admin", "another", asked_by="local")
    async with serving(store, Settings(auth="off")) as http:
        [pending] = (await http.get(f"/v1/conversations/{name}")).json()["pending"].values()
    assert pending["may_decide"] is True


@pytest.fixture
async def service_http(service: RunningService, cluster: None) -> AsyncIterator[tuple[httpx.AsyncClient, Store]]:
    """The application that asks for keys, in front of the shared service's hosts."""
    store = service.store()
    settings = service.settings().model_copy(update={"auth": "keys"})
    async with serving(store, Settings(**settings.model_dump(exclude={"anthropic_api_key"}))) as client:
        yield client, store
    await store.aclose()


async def test_four_eyes(service_http: tuple[httpx.AsyncClient, Store]) -> None:
    http, store = service_http
    ada, again, anna = [bearer(await make_key(store, user)) for user in ("ada", "ada", "anna")]
    name = (await http.post("/v1/conversations", json={"agent": "clerk"}, headers=ada)).json()["id"]
    address = f"/v1/conversations/{name}"
    await http.put(f"{address}/members/acme/anna", json={"role": "approver"}, headers=ada)
    sent = await http.post(f"{address}/messages", json={"text": 'transfer {"amount": 7}'}, headers=ada)
    assert sent.status_code == 202, sent.text

    async def waits() -> bool:
        return bool((await http.get(address, headers=ada)).json()["pending"])

    await eventually(waits)
    [call] = (await http.get(address, headers=anna)).json()["pending"]
    body = {"tool_call_id": call, "decision": "approve"}
    for shown in (ada, again):
        check_problem(await http.post(f"{address}/resolutions", json=body, headers=shown), 403, "not_an_approver")
    first = await http.post(f"{address}/resolutions", json=body, headers=anna)
    assert first.status_code == 202, first.text

    async def has_ended() -> bool:
        return (await http.get(address, headers=ada)).json()["state"] == "idle"

    await eventually(has_ended)
    events = (await http.get(f"{address}/events", headers=ada)).json()["events"]
    [result] = [event["content"] for event in events if event["type"] == "tool_result"]
    assert result == "transferred 7 for acme/anna"
    repeated = await http.post(f"{address}/resolutions", json=body, headers=anna)
    assert repeated.json() == first.json()
    assert (await http.delete(address, headers=ada)).status_code == 204

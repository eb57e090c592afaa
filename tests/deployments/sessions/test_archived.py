"""Archived conversations: out of the lists until they are restored, or a person writes to them."""

from collections.abc import Mapping

import httpx
import pytest

from agents.agent import Agent
from agents.models import ScriptedModel, Step
from store import Store
from store.records import Parent
from tests.support.conversations import World, rest, say
from tests.support.writer import NOW

CONVERSATIONS = "/v1/conversations"


@pytest.fixture(autouse=True)
async def two(store: Store) -> None:
    for number, name in enumerate(("a", "b")):
        await store.registry.create(name, agent="assistant", principal="acme/ada", title=name, now=NOW + number)


async def listed(http: httpx.AsyncClient, headers: Mapping[str, str], **query: str) -> str:
    answer = await http.get(CONVERSATIONS, params=query, headers=headers)
    return "".join(item["id"] for item in answer.json()["conversations"])


async def test_what_is_archived_is_in_the_lists_that_ask_for_it(
    http: httpx.AsyncClient, ada: Mapping[str, str]
) -> None:
    changed = await http.patch(f"{CONVERSATIONS}/a", json={"archived": True, "title": "new"}, headers=ada)
    assert (changed.status_code, changed.json()["archived"], changed.json()["title"]) == (200, True, "new")
    assert await listed(http, ada) == await listed(http, ada, archived="false") == "b"
    assert await listed(http, ada, archived="true") == "a"
    assert await listed(http, ada, archived="any") == "ab"
    assert await listed(http, ada, archived="true", text="new") == "a"
    restored = await http.patch(f"{CONVERSATIONS}/a", json={"archived": False}, headers=ada)
    assert (restored.json()["archived"], restored.json()["title"]) == (False, "new")
    assert set(await listed(http, ada)) == {"a", "b"}


@pytest.mark.parametrize("body", [{}, {"title": None}, {"archived": "perhaps"}, {"archive": True}])
async def test_a_change_says_what_changes(
    http: httpx.AsyncClient, ada: Mapping[str, str], body: dict[str, object]
) -> None:
    assert (await http.patch(f"{CONVERSATIONS}/a", json=body, headers=ada)).status_code == 422


async def test_a_sub_agents_conversation_goes_with_its_root(
    http: httpx.AsyncClient, ada: Mapping[str, str], store: Store
) -> None:
    parent = Parent("a", "k", "a", 1, 1)
    await store.registry.create("child", agent="assistant", principal="acme/ada", parent=parent, now=NOW)
    refused = await http.patch(f"{CONVERSATIONS}/child", json={"archived": True}, headers=ada)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:raylogue:problem:invalid_request")


async def test_a_message_of_a_person_restores_it_and_the_end_of_a_turn_does_not(world: World) -> None:
    conversation = await world.start(Agent(name="assistant", model=ScriptedModel((Step("Hello."),) * 2)), "c")
    await world.store.registry.set_archived("c", NOW, archived=True)
    await say(conversation)
    assert (await world.store.registry.get("c")).archived_at is None
    await world.store.registry.set_archived("c", NOW, archived=True)
    assert await rest(conversation) == "idle"
    assert (await world.store.registry.get("c")).archived_at == NOW

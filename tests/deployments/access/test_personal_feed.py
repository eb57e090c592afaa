"""A person's feed over HTTP: resumed from any event, silent on what is not to be read, ended with its credential."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx
import orjson
import pytest

from agents.clock import now_ms
from deployments.ingress.streams import open_streams, personal_feed
from deployments.settings import Settings
from store import Store
from store.registries import personal_feeds
from store.registries.personal_feeds import PersonalEvent
from tests.deployments.test_problems import check_problem
from tests.support.access_service import PATIENCE, bearer, make_key, serving

STREAM = {"Accept": "text/event-stream"}
NUMBERS = count(1)

Event = dict[str, Any]


@pytest.fixture
async def http(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(open_streams, "PERIOD_SECONDS", 0.1)
    async with serving(store, Settings(auth="keys", heartbeat_seconds=0.05)) as client:
        await store.registry.create("c", agent="assistant", principal="acme/ada", now=now_ms())
        await store.members.set("c", "acme/bob", "viewer", now_ms())
        yield client


@asynccontextmanager
async def following(
    http: httpx.AsyncClient, key: str, cursor: str | None = None
) -> AsyncIterator[AsyncIterator[Event]]:
    """The events of a person's stream, without `resumed` at its beginning; `reconnect` is the last one."""
    headers = {**STREAM, **bearer(key)} | ({"Last-Event-ID": cursor} if cursor else {})
    async with asyncio.timeout(PATIENCE), http.stream("GET", "/v1/feed", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield events_in(response)


async def events_in(response: httpx.Response) -> AsyncIterator[Event]:
    frame: Event = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "data":
            event = orjson.loads(value)
            assert event["type"] == frame["event"]
            assert event.get("id") == frame.get("id"), "an event is resumed from by the id that it tells"
            if event["type"] != "resumed":
                yield event
            frame = {}
        elif line and name:
            frame[name] = value


async def tell(store: Store, user: str, conversation_id: str = "c", **fields: Any) -> None:
    event = {"type": "turn_ended", "conversation_id": conversation_id, "outcome": "completed", **fields}
    entry_id = f"7:1700000000000-{next(NUMBERS)}"
    assert await store.personal_feeds.tell(f"acme/{user}", [PersonalEvent(conversation_id, entry_id, event)])


def turn(event: Mapping[str, Any]) -> int:
    number: int = event["turn"]
    return number


async def test_it_is_followed_and_resumed(http: httpx.AsyncClient, store: Store) -> None:
    key = await make_key(store)
    async with following(http, key) as events:
        first = await anext(events)
        assert first["type"] == "reset", "there is no place yet to go on from"
        await tell(store, "ada", turn=1)
        told = await anext(events)
        assert (told["type"], told["conversation_id"], turn(told)) == ("turn_ended", "c", 1)
    for number in (2, 3):
        await tell(store, "ada", turn=number)
    async with following(http, key, told["id"]) as events:
        assert [turn(await anext(events)) for _ in range(2)] == [2, 3]
        await tell(store, "ada", turn=4)
        assert turn(await anext(events)) == 4
    async with following(http, key, first["id"]) as events:
        assert [turn(await anext(events)) for _ in range(4)] == [1, 2, 3, 4]
    page = (await http.get("/v1/feed", params={"after": told["id"]}, headers=bearer(key))).json()
    assert [turn(event) for event in page["events"]] == [2, 3, 4]
    assert page["next"] == page["events"][-1]["id"]
    rest = await http.get("/v1/feed", params={"after": page["next"]}, headers=bearer(key))
    assert rest.json() == {"events": [], "next": page["next"]}


async def test_a_reader_hears_at_once_that_it_is_connected(http: httpx.AsyncClient, store: Store) -> None:
    key, place = await make_key(store), await store.personal_feeds.open("acme/ada")
    headers = {**STREAM, **bearer(key), "Last-Event-ID": place}
    async with asyncio.timeout(PATIENCE), http.stream("GET", "/v1/feed", headers=headers) as response:
        assert f"id: {place}\nevent: resumed\n" in await anext(response.aiter_text())


@pytest.mark.parametrize("cursor", ["1-0", "99999999999999-0", "nonsense"])
async def test_a_cursor_from_elsewhere_begins_anew(http: httpx.AsyncClient, store: Store, cursor: str) -> None:
    key = await make_key(store)
    async with following(http, key, cursor) as events:
        assert (await anext(events))["type"] == "reset"
        await tell(store, "ada", turn=1)
        assert turn(await anext(events)) == 1
    page = (await http.get("/v1/feed", params={"after": cursor}, headers=bearer(key))).json()
    assert [event["type"] for event in page["events"]] == ["reset"]


async def test_who_was_away_for_too_long_begins_anew(
    http: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(personal_feeds, "MAX_ENTRIES", 5)
    monkeypatch.setattr(personal_feed, "MAX_PAGE_EVENTS", 50)
    key = await make_key(store)
    async with following(http, key) as events:
        first = await anext(events)
    for number in range(1, 250):
        await tell(store, "ada", turn=number)
    async with following(http, key, first["id"]) as events:
        anew = await anext(events)
        assert anew["type"] == "reset"
        await tell(store, "ada", turn=250)
        assert turn(await anext(events)) == 250


async def test_what_one_may_no_longer_read_is_not_told(http: httpx.AsyncClient, store: Store) -> None:
    key = await make_key(store, "bob")
    async with following(http, key) as events:
        first = await anext(events)
        await tell(store, "bob", turn=1)
        assert turn(await anext(events)) == 1
        await store.members.remove("c", "acme/bob", now_ms())
        removal = {"type": "members_changed", "principal": "acme/bob", "role": None}
        await tell(store, "bob", turn=2, secret="x")
        await tell(store, "bob", **removal)
        assert (await anext(events))["type"] == "members_changed"
    async with following(http, key, first["id"]) as events:
        assert (await anext(events))["type"] == "members_changed", "not even what was told while it might be read"
        await store.members.set("c", "acme/bob", "viewer", now_ms())
        await tell(store, "bob", turn=3)
        assert turn(await anext(events)) == 3
        await store.registry.delete("c")
        await store.members.announce("c")
        await tell(store, "bob", turn=4)
        await tell(store, "bob", type="conversation_deleted")
        assert (await anext(events))["type"] == "conversation_deleted"


async def test_it_ends_with_the_key(http: httpx.AsyncClient, store: Store) -> None:
    text = await make_key(store)
    key = await store.api_keys.get(text.split("_")[1])
    assert key is not None
    async with following(http, text) as events:
        assert (await anext(events))["type"] == "reset"
        await store.api_keys.remove(key)
        assert [event["type"] async for event in events] == ["reconnect"]


async def test_one_person_has_only_so_many(
    http: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(personal_feed, "MAX_STREAMS", 1)
    ada, bob = await make_key(store), await make_key(store, "bob")
    async with following(http, ada) as events:
        await anext(events)
        check_problem(await http.get("/v1/feed", headers={**STREAM, **bearer(ada)}), 503, "too_many_streams")
        async with following(http, bob) as others:
            assert (await anext(others))["type"] == "reset"
    async with asyncio.timeout(PATIENCE):
        # The service notices in its own time that the client has left.
        while not await opens(http, ada):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def opens(http: httpx.AsyncClient, key: str) -> bool:
    async with http.stream("GET", "/v1/feed", headers={**STREAM, **bearer(key)}) as response:
        return response.status_code == 200

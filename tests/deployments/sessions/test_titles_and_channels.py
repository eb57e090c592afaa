"""By what way people talk is said at the creation; a new title is told to the watchers."""

from collections.abc import Mapping

import httpx
import pytest

from store import Store
from tests.support.conversations import watching
from tests.support.writer import NOW

CONVERSATIONS = "/v1/conversations"


@pytest.mark.parametrize(("body", "channel"), [({}, "api"), ({"channel": "telegram"}, "telegram")])
async def test_the_channel_is_kept_and_shown(
    http: httpx.AsyncClient, ada: Mapping[str, str], body: dict[str, str], channel: str
) -> None:
    made = (await http.post(CONVERSATIONS, json=body, headers=ada)).json()
    [listed] = (await http.get(CONVERSATIONS, headers=ada)).json()["conversations"]
    assert (made["channel"], listed["channel"]) == (channel, channel)


@pytest.mark.parametrize("channel", ["", "Web", "a b", "1st", "x" * 33, None])
async def test_a_channel_is_a_short_word(http: httpx.AsyncClient, ada: Mapping[str, str], channel: object) -> None:
    refused = await http.post(CONVERSATIONS, json={"channel": channel}, headers=ada)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:raylogue:problem:invalid_request")


async def test_a_renaming_is_told_by_the_writers_own_epoch(
    http: httpx.AsyncClient, ada: Mapping[str, str], store: Store
) -> None:
    await store.registry.create("c", agent="assistant", principal="acme/ada", now=NOW)
    claim = await store.log.claim("c")
    async with store.subscriptions.subscribe("c") as subscription:
        renamed = await http.patch(f"{CONVERSATIONS}/c", json={"title": "Tea\n“x”"}, headers=ada)
        told = await subscription.get()
    assert renamed.json()["title"] == "Tea\n“x”"
    event = {"type": "title_changed", "conversation_id": "c", "turn": 0, "title": "Tea\n“x”"}
    assert told == {"epoch": claim.epoch, "events": [event]}


async def test_what_is_not_renamed_is_not_told(http: httpx.AsyncClient, ada: Mapping[str, str], store: Store) -> None:
    await store.registry.create("c", agent="assistant", principal="acme/ada", now=NOW)
    async with watching(store, "c") as watcher:
        assert await store.registry.set_title_if_absent("c", "first", NOW)
        assert (await http.patch(f"{CONVERSATIONS}/c", json={"title": ""}, headers=ada)).status_code == 422
        await http.patch(f"{CONVERSATIONS}/c", json={"title": "second"}, headers=ada)
        await watcher.until("title_changed", title="second")
    assert len(watcher.seen) == 1

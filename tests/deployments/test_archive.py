"""A conversation so long that its beginning is in the archive: people scroll back through it all the same."""

from pathlib import Path

import pytest

from agents.agent import Agent
from agents.examples.offline.assistant import assistant_script
from agents.models import ScriptedModel
from store import Store
from tests.support.api import Api, eventually
from tests.support.long_log import write_log
from tests.support.service import RunningService

pytestmark = pytest.mark.ray

TURNS = 1000
EVENTS = 3 * TURNS + 1
"""For each turn a message, its answer and its end; and the summary."""


class ExistingConversation:
    """Lets `write_log` write to a conversation that is in the service's store already."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def create(self, agent: Agent, conversation_id: str) -> None:
        await self.store.registry.get(conversation_id)


async def test_people_scroll_back_through_the_archive(api: Api, service: RunningService, store: Store) -> None:
    conversation_id = await api.create()
    await write_log(
        ExistingConversation(store),
        Agent(name="any", model=ScriptedModel(assistant_script)),
        conversation_id,
        turns=TURNS,
        keep=2,
        words="w",
    )
    await api.turn(conversation_id, "hello again")

    async def archived() -> bool:
        return (await store.registry.get(conversation_id)).archived_seq == 2000  # and a thousand stay, at least

    await eventually(archived)
    place: Path = service.archive_dir / conversation_id
    assert len(list(place.iterdir())) == 4
    await check_trouble(api, conversation_id, place)  # before it is read: then it may be kept in memory

    seen: list[int] = []
    page = await api.page(conversation_id, before=EVENTS + 1, limit=900)
    while True:
        seen = [event["seq"] for event in page["events"]] + seen
        if page["prev"] is None:
            break
        page = await api.page(conversation_id, before=page["prev"], limit=900)
    assert seen == list(range(1, EVENTS + 1))
    forward = await api.page(conversation_id, after=1990, limit=20)
    assert [event["seq"] for event in forward["events"]] == list(range(1991, 2011))
    async with api.watching(conversation_id, after=1995) as stream:
        await stream.until("user_msg", seq=2002)
        assert stream.ids[:7] == list(range(1996, 2003))

    known = await api.send(conversation_id, "00000007 w", client_id="message-00000007")
    assert (known["seq"], known["duplicate"]) == (19, True)
    await api.http.delete(f"/v1/conversations/{conversation_id}")
    assert not place.exists()


async def check_trouble(api: Api, conversation_id: str, place: Path) -> None:
    """While the archive is away or damaged, newer events are shown; archived ones whole, or not at all."""
    address = f"/v1/conversations/{conversation_id}/events"
    hidden = place.parent.with_name("unmounted")
    place.parent.rename(hidden)
    try:
        away = await api.http.get(address, params={"before": 10, "limit": 5})
        deletion = await api.http.delete(f"/v1/conversations/{conversation_id}")
        newest = await api.page(conversation_id, before=EVENTS, limit=5)
    finally:
        hidden.rename(place.parent)
    for response in (away, deletion):
        assert response.status_code == 503
        assert response.headers["retry-after"] == "2"
        assert response.json()["type"] == "urn:raylogue:problem:archive_unavailable"
    assert len(newest["events"]) == 5
    segment = sorted(place.iterdir())[0]
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-1])
    spoilt = await api.http.get(address, params={"before": 10, "limit": 5})
    assert (spoilt.status_code, spoilt.json()["type"]) == (500, "urn:raylogue:problem:archive_damaged")
    segment.write_bytes(whole)

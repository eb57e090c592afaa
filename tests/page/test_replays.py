"""Replays on the page: how far each is, what it tries, how the answers compare; pause, resume, its summary."""

import uuid

import pytest
from playwright.sync_api import Locator, expect

from agents.clock import now_ms
from deployments.access.principal import Principal
from deployments.replay.order import OrderedBy, ReplayOrder, StoredOrder
from deployments.replay.result_rows import encode_rows, error_row
from deployments.replay.totals import add_up
from deployments.work.jobs.replay import ReplayTotals
from store import Store
from store.registries.jobs import JobRecord
from store.registries.replays import ReplayRecord
from tests.page.conftest import SignedIn
from tests.support.locked_service import LockedService
from tests.support.person import Person

pytestmark = pytest.mark.browser


def view(person: Person) -> Locator:
    return person.page.locator(".view")


async def make(store: Store, user: str = "ada") -> str:
    """A replay of two conversations, which a worker does; one has its results."""
    replay_id = uuid.uuid4().hex
    order = ReplayOrder(where="agent=assistant since=7d", model="new-1", judge="judge")
    stored = StoredOrder(order=order, by=OrderedBy.of(Principal("acme", user)))
    record = ReplayRecord(replay_id, f"acme/{user}", stored.model_dump_json().encode(), ["a", "b"], now_ms(), replay_id)
    await store.replays.add(record)
    job = JobRecord(replay_id, "replay", record.owner, "low", "waiting", b"{}", now_ms(), now_ms(), name=replay_id)
    await store.jobs.add(job, now=now_ms(), kept_ms=86_400_000)
    assert await store.jobs.begin(replay_id, "claim", now_ms())
    await store.replays.keep(replay_id, 0, encode_rows([error_row("a", "it is not there any more")]))
    return replay_id


async def finish(store: Store, replay_id: str) -> None:
    record = await store.replays.get(replay_id)
    assert record is not None
    await store.replays.keep(replay_id, 1, encode_rows([error_row("b", "it may not be read any more")]))
    totals = (await add_up(store, record)).as_json()
    encoded = ReplayTotals(totals=totals).model_dump_json().encode()
    assert await store.jobs.end(
        replay_id, "claim", "succeeded", now_ms(), kept_ms=86_400_000, fields={"result": encoded}
    )


def test_a_replay_is_followed_to_its_summary(signed_in: SignedIn, locked: LockedService) -> None:
    replay_id = locked.do(make)
    locked.do(lambda store: make(store, "bob"))
    person = signed_in(locked.key())
    person.go("/#/work/replays")
    row = view(person).locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("new-1 · agent=assistant since=7d")
    expect(row).to_contain_text("1 of 2")
    row.get_by_role("link").click()
    expect(view(person).locator(".standing")).to_have_text("Running")
    expect(view(person).locator(".progress")).to_contain_text("1 of 2 · conversations")
    locked.do(lambda store: finish(store, replay_id))
    expect(view(person).locator(".standing")).to_have_text("Done")
    expect(view(person).locator(".figures")).to_contain_text("Could not be replayed2")
    expect(view(person).get_by_role("region", name="Recorded and new")).to_contain_text("Calls of a model")
    with person.page.context.expect_page() as opened:
        view(person).get_by_role("link", name="Summary with plots").click()
    expect(opened.value.get_by_role("heading", name=f"Replay {replay_id[:8]}")).to_be_visible()
    opened.value.close()
    person.press("Delete")
    person.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(view(person)).to_contain_text("No replays yet")


def test_a_replay_is_paused_and_resumed(signed_in: SignedIn, locked: LockedService) -> None:
    replay_id = locked.do(make)
    person = signed_in(locked.key())
    person.go(f"/#/work/replays/{replay_id}")
    standing = view(person).locator(".standing")
    person.press("Pause")
    expect(standing).to_have_text("Paused")
    person.press("Resume")
    expect(view(person).get_by_role("button", name="Resume")).to_have_count(0)
    expect(standing).not_to_have_text("Paused")
    reader = signed_in(locked.key(scopes=frozenset({"read"})))
    reader.page.set_viewport_size({"width": 360, "height": 740})
    reader.go(f"/#/work/replays/{replay_id}")
    expect(view(reader)).to_contain_text("agent=assistant since=7d")
    expect(view(reader).get_by_role("button")).to_have_count(0)
    assert reader.page.evaluate("document.getElementById('place').scrollWidth") <= 360

"""A long conversation: the page holds its end, and fetches earlier events when the person scrolls up."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Request, expect

from tests.support.person import Person
from tests.support.service import RunningService
from tests.support.service_agents import Ledger
from tests.support.service_log import read_log, row_keys

pytestmark = pytest.mark.browser

TURNS = 60
"""Six events each, which do not divide a page of history: it begins and ends between a call and its result."""

NEAR_THE_TOP = 100
PLACE_OF_FIRST_VISIBLE = """thread => {
  const top = thread.getBoundingClientRect().top;
  const row = [...thread.querySelectorAll('.row')].find(row => row.getBoundingClientRect().bottom > top);
  return [row.dataset.key, row.getBoundingClientRect().top];
}"""
PLACE_OF = """(thread, key) => thread.querySelector(`[data-key="${key}"]`).getBoundingClientRect().top"""


@pytest.fixture
def long_conversation(service: RunningService) -> str:
    """The id of a conversation of several hundred events."""
    with httpx.Client(base_url=service.url, timeout=30.0) as http:
        conversation_id: str = http.post("/v1/conversations", json={"agent": "worker"}).json()["id"]
        Ledger(service.data_dir).open_gate(conversation_id)
        for number in range(TURNS):
            body = {"text": f"wait: {number}"}
            headers = {"Accept": "text/event-stream"}  # an answer that ends with the turn
            http.post(f"/v1/conversations/{conversation_id}/messages", json=body, headers=headers).raise_for_status()
    return conversation_id


def test_scrolling_up_brings_the_whole_history_in_order(
    person: Person, service: RunningService, long_conversation: str
) -> None:
    log = read_log(service.url, long_conversation)
    assert len(log) == 6 * TURNS
    requested: list[str] = []
    person.page.on("request", lambda request: requested.extend(_history_page(request)))
    person.go(f"/#/c/{long_conversation}")
    expect(person.answers.last).to_have_text(f"It returned: {TURNS - 1}")
    expect(person.answers.last).to_be_in_viewport()
    while len(keys := [key for key, _ in person.rows()]) < len(row_keys(log)):
        assert keys == row_keys(log)[-len(keys) :]
        scroll_up(person)
    assert keys == row_keys(log)
    expect(person.page.locator(".tool .chip")).to_have_text(["Done"] * TURNS)
    assert len(requested) == len(set(requested)) == -(-len(log) // 80)
    person.press("Latest")
    expect(person.answers.last).to_be_in_viewport()


def scroll_up(person: Person) -> None:
    """Scroll until the next page of history is there; the rows that were visible must stay where they were."""
    thread = person.page.locator("#thread")
    before = person.page.locator(".row").count()
    thread.evaluate("(thread, top) => { thread.scrollTop = top; }", NEAR_THE_TOP)
    key, top = place_of_first_visible(thread)
    expect(person.page.locator(".row")).not_to_have_count(before)
    expect(person.page.locator(".older")).to_be_hidden()
    assert thread.evaluate(PLACE_OF, key) == pytest.approx(top, abs=4)  # px; scroll positions are rounded


def place_of_first_visible(thread: Locator) -> tuple[str, float]:
    """The key of the topmost row that can be seen, and its distance from the top of the window."""
    place: Any = thread.evaluate(PLACE_OF_FIRST_VISIBLE)
    return place[0], place[1]


def _history_page(request: Request) -> list[str]:
    return [request.url] if "/events?" in request.url and "before=" in request.url else []

"""Several tabs and broken connections: every tab ends with the same rows."""

import json

import pytest
from playwright.sync_api import Request, Route, expect

from tests.page.conftest import Visit
from tests.support.person import Person

pytestmark = pytest.mark.browser

RECONNECT = 'event: reconnect\nretry: 100\ndata: {"type":"reconnect"}\n\n'
"""What a replica that stops sends at the end of each stream."""
NOTE_BANNERS = """
  window.banners = [];
  document.addEventListener("DOMContentLoaded", () => {
    const banner = document.getElementById("banner");
    new MutationObserver(() => banner.hidden || window.banners.push(banner.textContent))
      .observe(banner, {attributes: true, childList: true, subtree: true});
  });
"""
OUTBOX_IS_EMPTY = "() => !Object.keys(localStorage).some(key => key.startsWith('raylogue.outbox.'))"


def test_two_tabs_show_the_same(person: Person) -> None:
    person.say("hello")
    person.wait_until_idle()
    other = person.another_tab()
    expect(other.answers).to_have_count(1)
    other.say("What is 6*7?")
    expect(person.tool("calculator").locator(".chip")).to_have_text("Done")
    for tab in (person, other):
        expect(tab.answers.last).to_contain_text("42")
        tab.wait_until_idle()
    assert person.rows() == other.rows()


def test_a_decision_in_one_tab_settles_the_other(person: Person) -> None:
    person.say("announce: hello")
    expect(person.page.get_by_role("button", name="Approve", exact=True)).to_be_visible()
    other = person.another_tab()
    other.press("Approve")
    expect(person.tool("announce").locator(".chip")).to_have_text("Done")
    expect(person.page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)


def test_a_tab_that_opens_during_an_answer_shows_it_from_the_beginning(person: Person) -> None:
    person.say("Tell me a story")
    expect(person.answers.last).to_contain_text("Once upon")
    other = person.another_tab()
    expect(other.answers.last).to_contain_text("Once upon a time there was")
    for tab in (person, other):
        expect(tab.answers.last).to_contain_text("every word in place.")
        tab.wait_until_idle()
    assert person.rows() == other.rows()


def test_no_row_is_missing_or_double_after_the_network_was_away(visit: Visit) -> None:
    person = visit()
    person.say("Tell me a story")
    expect(person.answers.last).to_contain_text("Once upon")
    witness = visit().go(person.page.url)
    expect(witness.answers.last).to_contain_text("Once upon")
    person.lose_network()
    expect(person.banner).to_contain_text("Connection lost")
    witness.wait_until_idle()
    witness.say("What is 6*7?")
    expect(witness.answers.last).to_contain_text("42")
    person.regain_network()
    expect(person.answers.last).to_contain_text("42")
    expect(person.banner).to_be_hidden()
    for tab in (person, witness):
        tab.wait_until_idle()
    assert person.rows() == witness.rows()


def test_a_page_that_is_sent_to_another_replica_shows_nothing_of_it(person: Person) -> None:
    person.say("hello")
    person.wait_until_idle()
    told: list[str] = []

    def send_elsewhere(route: Route) -> None:
        if told or "text/event-stream" not in route.request.headers.get("accept", ""):
            route.continue_()
            return
        told.append(route.request.url)
        route.fulfill(content_type="text/event-stream", body=RECONNECT)

    person.page.add_init_script(NOTE_BANNERS)
    person.page.route("**/v1/conversations/*/events*", send_elsewhere)
    person.reload()
    expect(person.answers).to_have_count(1)
    person.say("What is 6*7?")
    expect(person.answers.last).to_contain_text("42")
    person.wait_until_idle()
    assert told
    assert person.page.evaluate("() => window.banners") == []


def test_a_message_typed_while_offline_is_sent_once_later(person: Person) -> None:
    person.say("hello")
    person.wait_until_idle()
    person.lose_network()
    person.say("What is 6*7?")
    expect(person.page.locator(".user").last).to_contain_text("Waiting for the connection")
    person.regain_network()
    expect(person.answers.last).to_contain_text("42")
    person.wait_until_idle()
    expect(person.questions).to_have_text(["hello", "What is 6*7?"])


def test_a_lost_answer_does_not_double_the_message(person: Person) -> None:
    """The service accepts the message, but its answer is lost: the page sends the message again, with its client id."""
    person.say("hello")
    person.wait_until_idle()
    person.expects_failed_requests = True
    sent: list[str | None] = []

    def note(request: Request) -> None:
        if request.url.endswith("/messages"):
            sent.append(request.post_data)

    def deliver_and_drop(route: Route) -> None:
        route.fetch()
        route.abort("connectionreset")

    person.page.on("request", note)
    person.page.route("**/messages", deliver_and_drop, times=1)
    person.say("What is 6*7?")
    expect(person.answers.last).to_contain_text("42")
    person.wait_until_idle()
    expect(person.questions).to_have_text(["hello", "What is 6*7?"])
    person.page.wait_for_function(OUTBOX_IS_EMPTY)
    assert (len(sent), len(set(sent))) == (2, 1)


def test_a_message_that_was_not_accepted_survives_a_reload(person: Person) -> None:
    person.block("**/v1/**")
    person.say("What is 6*7?")
    expect(person.page.locator(".user").last).to_contain_text("Waiting for the connection")
    person.page.reload()
    expect(person.questions).to_have_text(["What is 6*7?"])
    person.unblock("**/v1/**")
    expect(person.answers.last).to_contain_text("42")
    expect(person.questions).to_have_text(["What is 6*7?"])


def test_a_busy_service_gets_the_message_after_the_time_that_it_names(person: Person) -> None:
    refusals: list[str] = []

    def refuse_once(route: Route, request: Request) -> None:
        if request.method != "POST" or refusals:
            return route.fallback()
        refusals.append(request.post_data_json["client_id"])
        problem = {"type": "urn:raylogue:problem:too_many_turns", "status": 429, "title": "Too many turns"}
        headers = {"Content-Type": "application/problem+json", "Retry-After": "2"}
        return route.fulfill(status=429, headers=headers, body=json.dumps(problem))

    person.expects_failed_requests = True
    person.page.route("**/messages", refuse_once)
    person.say("hello")
    expect(person.banner).to_contain_text("The service is busy. Trying again")
    expect(person.answers).to_have_count(1)
    person.wait_until_idle()
    expect(person.banner).to_be_hidden()
    assert len(refusals) == len(person.rows()) - 1 == 1

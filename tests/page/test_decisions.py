"""Approvals on the page: only allowed decisions are offered, for the arguments that were shown, and one is taken."""

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.page.conftest import Visit
from tests.support.person import Person
from tests.support.service_log import WireEvent, read_log

pytestmark = pytest.mark.browser

SCALE = 'scale {"service": "api", "replicas": 3}'
WIPE = 'wipe {"disk": "sda"}'


def resolutions(url: str, conversation_id: str) -> list[WireEvent]:
    return [event for event in read_log(url, conversation_id) if event["type"] == "resolution"]


def buttons(person: Person, tool: str) -> list[str]:
    """The names of the buttons that can be seen on a card's form."""
    form = person.tool(tool).locator(".decision")
    expect(form).to_be_visible()
    return [text.strip() for text in form.locator("button:visible").all_inner_texts()]


def test_only_the_allowed_decisions_are_offered_while_they_are_waited_for(person: Person) -> None:
    person.ask("steward", f"{WIPE}\n{SCALE}")
    assert buttons(person, "wipe") == ["Approve", "Reject…"]
    assert buttons(person, "scale") == ["Approve", "Reject…", "Edit arguments…", "Always allow scale"]
    expiry = person.tool("wipe").locator("time.expiry")
    expect(expiry).to_have_text("expires in 24 hours")
    expect(expiry).to_have_attribute("datetime", re.compile(r"^\d{4}-"))


def test_an_answer_in_place_of_a_result(person: Person, service_url: str) -> None:
    person.say("announce: hello")
    assert buttons(person, "announce") == ["Approve", "Reject…", "Edit arguments…", "Answer instead…"]
    person.press("Answer instead…")
    person.page.get_by_label("Your answer").fill("I said it myself")
    person.press("Send instead of a result")
    expect(person.tool("announce").locator(".chip")).to_have_text("Done")
    person.wait_until_idle()
    (resolution,) = resolutions(service_url, person.conversation_id)
    assert (resolution["decision"], resolution["answer"]) == ("respond", "I said it myself")


def test_the_arguments_are_checked_while_they_are_edited(person: Person, service_url: str) -> None:
    person.ask("steward", SCALE)
    person.press("Edit arguments…")
    card = person.tool("scale")
    arguments = person.page.get_by_label("Arguments")
    expect(arguments).to_be_focused()
    arguments.fill("[1]")
    expect(card.get_by_text("The arguments must be one JSON object.")).to_be_visible()
    arguments.fill('{"service": "api", "replicas": "many"}')
    expect(card.locator(".form-error:visible")).to_have_count(0)
    person.expects_failed_requests = True
    person.press("Approve with these arguments")
    expect(card.locator(".form-error:visible")).to_contain_text("replicas")
    arguments.fill('{"service": "api", "replicas": 5}')
    person.press("Approve with these arguments")
    expect(card.locator(".tool-brief")).to_contain_text("api, 5 → api has 5")
    person.wait_until_idle()
    (resolution,) = resolutions(service_url, person.conversation_id)
    assert (resolution["decision"], resolution["arguments"]) == ("edit", {"service": "api", "replicas": 5})


def test_a_decision_is_bound_to_what_was_shown(person: Person, service_url: str) -> None:
    person.ask("steward", WIPE)
    expect(person.tool("wipe").locator(".decision")).to_be_visible()
    (shown,) = (event for event in read_log(service_url, person.conversation_id) if event["type"] == "suspension")

    def change(route: Route) -> None:
        body: Any = route.request.post_data_json
        assert body["arguments_hash"] == shown["arguments_hash"]
        route.continue_(post_data=httpx.Request("POST", "http://x", json={**body, "arguments_hash": "f" * 64}).content)

    person.expects_failed_requests = True
    person.page.route("**/resolutions", change, times=1)
    person.press("Approve")
    card = person.tool("wipe")
    expect(card.get_by_role("alert").filter(has_text="The arguments have changed")).to_be_visible()
    assert resolutions(service_url, person.conversation_id) == []
    person.press("Approve")
    expect(card.locator(".chip")).to_have_text("Done")


def test_a_decision_that_comes_too_late_says_so(person: Person, visit: Visit, service_url: str) -> None:
    person.ask("steward", WIPE)
    expect(person.page.get_by_role("button", name="Approve", exact=True)).to_be_visible()
    card = person.tool("wipe")
    # This page hears nothing of the other decision before its own is sent.
    person.expects_failed_requests = True
    person.page.route("**/events?*", lambda route: route.abort())
    person.lose_network()
    expect(person.banner).to_contain_text("Connection lost")
    other = visit().go(person.page.url)
    other.press("Reject…")
    other.press("Reject")
    expect(other.tool("wipe").locator(".chip")).to_have_text("Rejected")
    person.regain_network()
    person.press("Approve")
    expect(card.get_by_role("alert").filter(has_text="Too late")).to_be_visible()
    person.page.unroute("**/events?*")
    expect(card.locator(".chip")).to_have_text("Rejected")
    expect(card.locator(".decision")).to_have_count(0)
    (resolution,) = resolutions(service_url, person.conversation_id)
    assert resolution["decision"] == "reject"


def test_a_decided_card_has_no_form_after_a_reload(person: Person) -> None:
    person.ask("steward", f"{WIPE}\n{SCALE}")
    person.tool("wipe").get_by_role("button", name="Approve").click()
    expect(person.tool("wipe").locator(".decision")).to_have_count(0)
    person.reload()
    expect(person.tool("scale").locator(".decision")).to_be_visible()
    expect(person.tool("wipe").locator(".chip")).to_have_text("Done")
    expect(person.tool("wipe").locator(".decision")).to_have_count(0)
    person.tool("scale").get_by_role("button", name="Approve").click()
    person.wait_until_idle()
    person.reload()
    expect(person.answers.last).to_have_text("It returned: sda is empty and api has 3")
    expect(person.page.locator(".decision")).to_have_count(0)


def test_a_tool_may_be_allowed_for_good_and_be_asked_about_again(person: Person, service_url: str) -> None:
    preference = f"{service_url}/v1/preferences/approvals/scale"
    httpx.put(preference, json={"approval": None}).raise_for_status()
    person.ask("steward", SCALE)
    person.press("Always allow scale")
    expect(person.answers.last).to_have_text("It returned: api has 3")
    assert httpx.get(preference).json() == {"approval": "auto"}
    person.wait_until_idle()
    person.say('scale {"service": "web", "replicas": 2}')
    expect(person.answers.last).to_have_text("It returned: web has 2")
    person.wait_until_idle()
    card = person.tool("scale").last
    card.locator("summary").click()
    expect(card).to_contain_text("You always allow scale.")
    card.get_by_role("button", name="Ask me again").click()
    expect(card).to_contain_text("You will be asked before it runs again.")
    person.say(SCALE)
    expect(person.tool("scale").last.locator(".decision")).to_be_visible()
    httpx.put(preference, json={"approval": None}).raise_for_status()

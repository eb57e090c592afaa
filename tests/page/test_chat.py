"""A conversation on the page: answers stream in, tools show what they do, people decide, and everything is kept."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.person import Person

pytestmark = pytest.mark.browser


def test_an_answer_streams_in(person: Person) -> None:
    person.say("Tell me a story")
    expect(person.page.locator(".assistant.streaming .prose")).to_contain_text("Once upon a time")
    person.wait_until_idle()
    expect(person.answers.last).to_contain_text("every word in place.")
    expect(person.answers.last.locator("p").nth(1)).to_be_visible()


def test_a_conversation_is_named_after_its_first_message(person: Person) -> None:
    person.say("Tell me something about tea")
    expect(person.title).to_have_text("Tell me something about tea")
    listed = person.page.get_by_role("link", name="Tell me something about tea").first
    expect(listed).to_have_attribute("aria-current", "page")


def test_a_tool_call_shows_its_arguments_and_its_result(person: Person) -> None:
    person.say("What is 6*7?")
    card = person.tool("calculator")
    expect(card.locator(".chip")).to_have_text("Done")
    card.locator("summary").click()
    expect(card).to_contain_text("6*7")
    expect(card).to_contain_text("42")
    expect(person.answers.last).to_contain_text("42")


def test_an_approved_call_runs(person: Person) -> None:
    person.say("announce: hello")
    card = person.tool("announce")
    expect(card.locator(".chip")).to_have_text("Needs you")
    person.press("Approve")
    expect(card.locator(".chip")).to_have_text("Done")
    expect(card.locator(".decision")).to_have_count(0)
    person.wait_until_idle()


def test_a_rejected_call_does_not_run_and_keeps_the_reason(person: Person) -> None:
    person.say("announce: hello")
    person.press("Reject…")
    person.page.get_by_label("Reason").fill("not today")
    person.press("Reject")
    card = person.tool("announce")
    expect(card.locator(".chip")).to_have_text("Rejected")
    card.locator("summary").click()
    expect(card).to_contain_text("not today")
    person.wait_until_idle()


def test_a_call_runs_with_the_arguments_that_a_person_changed(person: Person) -> None:
    person.say("announce: hello")
    person.press("Edit arguments…")
    person.page.get_by_label("Arguments").fill("{")
    person.press("Approve with these arguments")
    expect(person.page.get_by_text("This is not valid JSON")).to_be_visible()
    person.page.get_by_label("Arguments").fill('{"text": "good evening"}')
    person.press("Approve with these arguments")
    card = person.tool("announce")
    expect(card.locator(".chip")).to_have_text("Done")
    expect(card.locator(".tool-brief")).to_contain_text("good evening")
    person.wait_until_idle()


def test_stopping_keeps_the_text_so_far(person: Person) -> None:
    person.say("Tell me a story")
    expect(person.answers.last).to_contain_text("Once upon")
    person.press("Stop")
    expect(person.page.locator(".notice")).to_have_text("Stopped")
    person.wait_until_idle()
    expect(person.answers.last).to_contain_text("Once upon")
    expect(person.answers.last).not_to_contain_text("every word in place.")


def test_a_message_typed_during_a_turn_waits_for_the_next(person: Person) -> None:
    person.say("Tell me a story")
    expect(person.answers.last).to_contain_text("Once upon")
    person.say("What is 6*7?")
    expect(person.page.locator(".user").last).to_contain_text("Queued")
    expect(person.tool("calculator").locator(".chip")).to_have_text("Done")
    person.wait_until_idle()
    expect(person.questions).to_have_text(["Tell me a story", "What is 6*7?"])


def test_a_reload_shows_the_same_rows(person: Person) -> None:
    person.say("What is 6*7?")
    expect(person.answers.last).to_contain_text("42")
    person.wait_until_idle()
    before = person.rows()
    person.page.reload()
    expect(person.page.locator(".row")).to_have_count(len(before))
    assert person.rows() == before


def test_renaming_and_deleting(person: Person) -> None:
    person.say("hello there")
    person.wait_until_idle()
    person.press("Rename")
    person.page.get_by_label("Title").fill("A new name")
    person.page.get_by_label("Title").press("Enter")
    expect(person.page.locator("#conversations [aria-current]")).to_have_text("A new name")
    person.press("Delete")
    person.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(person.title).to_have_text("New conversation")
    expect(person.page).to_have_url(re.compile(r"#/$"))
    expect(person.page.get_by_role("link", name="A new name")).to_have_count(0)


def test_a_conversation_that_is_deleted_elsewhere_is_closed_at_once(person: Person, service_url: str) -> None:
    person.say("hello there")
    person.wait_until_idle()
    name = person.title.inner_text()
    expect(person.page.get_by_role("link", name=name)).to_have_count(1)
    address = person.page.url.partition("#/c/")[2]
    assert httpx.delete(f"{service_url}/v1/conversations/{address}").status_code == 204
    expect(person.page.get_by_role("alert")).to_have_text(f"“{name}” was deleted.")
    expect(person.page).to_have_url(re.compile(r"#/$"))
    expect(person.title).to_have_text("New conversation")
    expect(person.page.get_by_role("link", name=name)).to_have_count(0)
    person.say("and on we go")
    person.wait_until_idle()


def test_the_address_of_no_conversation_says_so(person: Person) -> None:
    person.expects_failed_requests = True
    person.go("/#/c/nobody-home")
    expect(person.page.get_by_text("This conversation is not here")).to_be_visible()

"""Calls that wait: a person answers on the page, a program answers over HTTP and the page shows it."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.person import Person
from tests.support.service_log import read_log

pytestmark = pytest.mark.browser


def test_a_question_is_answered_in_its_form(person: Person, service_url: str) -> None:
    person.choose("worker")
    person.say("ask: Which colour?")
    card = person.tool("ask")
    expect(card.locator(".chip")).to_have_text("Needs you")
    form = card.get_by_role("group", name="Decision on ask")
    expect(form).to_contain_text("Ask a person.")
    expect(form).to_contain_text("Which colour?")
    answer = form.get_by_label("Your answer")
    answer.press("Enter")
    expect(answer).to_be_enabled()
    answer.press_sequentially("blue")
    answer.press("Shift+Enter")
    answer.press_sequentially("or green")
    person.press("Answer")
    expect(card.locator(".chip")).to_have_text("Done")
    expect(form).to_have_count(0)
    expect(person.answers.last).to_contain_text("It returned: blue")
    person.wait_until_idle()
    expect(person.box).to_be_focused()
    card.locator("summary").click()
    expect(card).to_contain_text("Answered")
    log = read_log(service_url, person.conversation_id)
    (resolution,) = (event for event in log if event["type"] == "resolution")
    assert (resolution["decision"], resolution["answer"]) == ("respond", "blue\nor green")


def test_an_unfinished_answer_stays_while_other_things_happen(person: Person) -> None:
    person.choose("worker")
    person.say("ask: Which colour?")
    answer = person.page.get_by_label("Your answer")
    answer.fill("bl")
    person.say("and this later")
    expect(person.page.locator(".user").last).to_contain_text("Queued")
    expect(answer).to_have_value("bl")
    answer.fill("blue")
    answer.press("Enter")
    expect(person.answers).to_have_text(["It returned: blue", "You said: and this later"])
    person.wait_until_idle()


def test_a_call_that_a_program_runs_shows_no_form(person: Person, service_url: str) -> None:
    person.choose("worker")
    person.say("photograph: the sea")
    card = person.tool("photograph")
    expect(card.locator(".chip")).to_have_text("Waiting")
    expect(card.locator(".decision")).to_contain_text("Waiting for the program that runs photograph.")
    expect(card.locator(".decision").get_by_role("button")).to_have_count(0)
    log = read_log(service_url, person.conversation_id)
    (call,) = (event for event in log if event["type"] == "tool_call")
    resolution = {"tool_call_id": call["tool_call_id"], "decision": "respond", "answer": "waves"}
    address = f"{service_url}/v1/conversations/{person.conversation_id}/resolutions"
    assert httpx.post(address, json=resolution).status_code == 202
    expect(card.locator(".chip")).to_have_text("Done")
    expect(card.locator(".decision")).to_have_count(0)
    expect(person.answers.last).to_have_text("It returned: waves")

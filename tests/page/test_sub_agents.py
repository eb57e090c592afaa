"""Sub-agents on the page: the card of their call, their questions, and their transcripts, which take no messages."""

import orjson
import pytest
from playwright.sync_api import expect

from tests.support.person import Person

pytestmark = pytest.mark.browser


def task(prompt: str) -> str:
    return f"task {orjson.dumps({'agent': 'scout', 'prompt': prompt}).decode()}"


WIPE = task('wipe {"disk": "sdb"}')


def test_a_sub_agents_call_is_decided_at_its_parent(person: Person) -> None:
    person.ask("steward", WIPE)
    card = person.tool("task")
    expect(card.locator(".child")).to_contain_text("Sub-agent scout")
    form = card.get_by_role("group", name="Decision on task")
    expect(form).to_contain_text("The sub-agent scout wants to use wipe")
    expect(form).to_contain_text('"disk": "sdb"')
    expect(form.locator("button:visible")).to_have_text(["Approve", "Reject…"])
    person.press("Approve")
    expect(person.answers.last).to_contain_text("sdb is empty")
    expect(card.locator(".decision")).to_have_count(0)
    person.wait_until_idle()
    person.reload()
    expect(card.get_by_role("link", name="Open its transcript")).to_be_visible()
    expect(card.locator(".decision")).to_have_count(0)


def test_a_sub_agents_transcript_takes_no_message_and_its_call_is_answered_at_its_parent(person: Person) -> None:
    person.ask("steward", WIPE)
    parent = person.page.url
    person.page.get_by_role("link", name="Open its transcript").click()
    expect(person.page).not_to_have_url(parent)
    expect(person.questions).to_have_text('wipe {"disk": "sdb"}')
    expect(person.box).to_have_count(0)
    expect(person.page.get_by_role("button", name="Approve")).to_have_count(0)
    expect(person.tool("wipe").get_by_role("link", name="Answer it there")).to_be_visible()
    person.page.get_by_role("link", name="Open the conversation it works for").click()
    expect(person.page).to_have_url(parent)
    expect(person.box).to_be_visible()
    person.press("Reject…")
    person.press("Reject")
    expect(person.tool("task").locator(".decision")).to_have_count(0)
    person.wait_until_idle()


def test_a_sub_agents_question_is_a_form_at_its_parent(person: Person) -> None:
    question = {"id": "way", "prompt": "Which way?", "options": [{"label": "left"}, {"label": "right"}]}
    person.ask("steward", task(f"ask_user {orjson.dumps({'questions': [question]}).decode()}"))
    form = person.tool("task").get_by_role("group", name="Decision on task")
    expect(form).to_contain_text("The sub-agent scout asks")
    form.get_by_role("radio", name="left").check()
    person.press("Answer")
    expect(person.answers.last).to_contain_text("left")
    person.wait_until_idle()

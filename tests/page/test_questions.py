"""Questions with choices, asked by the agent or by its middleware: answered in a form, also by keyboard alone."""

from typing import Any

import httpx
import orjson
import pytest
from playwright.sync_api import Route, expect

from tests.support.person import Person
from tests.support.service_log import read_log

pytestmark = pytest.mark.browser

QUESTIONS: list[dict[str, Any]] = [
    {
        "id": "colour",
        "prompt": "Which colour?",
        "options": [{"label": "blue", "description": "Calm."}, {"label": "red"}],
    },
    {"id": "rooms", "prompt": "Which rooms?", "options": [{"label": "hall"}, {"label": "attic"}], "multiple": True},
    {"id": "tone", "prompt": "Which tone?", "options": [{"label": "dry"}, {"label": "warm"}], "free": True},
    {"id": "why", "prompt": "And why?"},
]
ASK = f"ask_user {orjson.dumps({'questions': QUESTIONS}).decode()}"
ANSWER = {"colour": "blue", "rooms": ["hall", "attic"], "tone": "like an old friend", "why": "because"}


def answer_in(url: str, conversation_id: str) -> Any:
    (resolution,) = (event for event in read_log(url, conversation_id) if event["type"] == "resolution")
    return resolution["answer"]


def test_a_form_is_filled_in_and_sent_at_once(person: Person, service_url: str) -> None:
    person.ask("steward", ASK)
    form = person.tool("ask_user").get_by_role("group", name="Decision on ask_user")
    expect(form).to_contain_text("Calm.")
    form.get_by_role("radio", name="blue").check()
    person.press("Answer")
    expect(form.get_by_text("This question has no answer yet.")).to_have_count(3)
    expect(form.get_by_role("checkbox", name="hall")).to_be_focused()
    form.get_by_label("hall").check()
    form.get_by_label("attic").check()
    form.get_by_role("radio", name="Something else").check()
    words = form.get_by_role("textbox", name="Something else")
    expect(words).to_be_focused()
    person.press("Answer")
    expect(form.get_by_text("Say what else.")).to_be_visible()
    words.fill("like an old friend")
    form.get_by_role("textbox", name="And why?").fill("because")
    person.press("Answer")
    card = person.tool("ask_user")
    expect(card.locator(".chip")).to_have_text("Done")
    expect(form).to_have_count(0)
    person.wait_until_idle()
    assert answer_in(service_url, person.conversation_id) == ANSWER
    card.locator("summary").click()
    expect(card).to_contain_text("Which rooms? hall, attic")


def test_a_form_by_keyboard_alone(person: Person, service_url: str) -> None:
    person.ask("steward", ASK)
    keyboard = person.page.keyboard
    person.page.get_by_role("radio", name="blue").focus()
    for keys in ("Space", "Tab", "Space", "Tab", "Space", "Tab", "ArrowUp"):
        keyboard.press(keys)
    expect(person.page.get_by_role("textbox", name="Something else")).to_be_focused()
    keyboard.type("like an old friend")
    keyboard.press("Tab")
    keyboard.type("because")
    keyboard.press("Enter")
    person.wait_until_idle()
    assert answer_in(service_url, person.conversation_id) == ANSWER


def test_why_the_service_refuses_an_answer_is_shown(person: Person) -> None:
    def spoil(route: Route) -> None:
        body: Any = route.request.post_data_json
        body["answer"]["colour"] = "green"
        route.continue_(post_data=httpx.Request("POST", "http://x", json=body).content)

    person.ask("steward", f"ask_user {orjson.dumps({'questions': QUESTIONS[:1]}).decode()}")
    person.expects_failed_requests = True
    person.page.route("**/resolutions", spoil, times=1)
    person.page.get_by_role("radio", name="red").check()
    person.press("Answer")
    expect(person.tool("ask_user").get_by_role("alert")).to_contain_text("must be one of blue, red")
    person.press("Answer")
    expect(person.answers.last).to_contain_text('"red"')


def test_a_question_can_be_declined(person: Person) -> None:
    person.ask("steward", ASK)
    person.press("Decline…")
    person.page.get_by_label("Reason").fill("none of your business")
    person.press("Decline")
    expect(person.tool("ask_user").locator(".chip")).to_have_text("Rejected")
    expect(person.answers.last).to_contain_text("none of your business")


def test_a_question_of_a_middleware_is_no_tool_call_of_the_model(person: Person) -> None:
    person.ask("steward", "here is a stranger")
    row = person.page.get_by_role("article", name="Doorkeeper asks: A stranger is at the door. Let them in?")
    expect(row.locator(".decision button:visible")).to_have_text(["Approve", "Reject…"])
    expect(person.page.locator(".tool:not(.question-row)")).to_have_count(0)
    person.press("Approve")
    expect(person.answers.last).to_have_text("You said: here is a stranger")
    expect(row.locator(".question-outcome")).to_have_text("A stranger is at the door. Let them in? Approved")
    person.wait_until_idle()
    before = person.rows()
    person.reload()
    expect(person.page.locator(".row")).to_have_count(len(before))
    assert person.rows() == before


def test_middleware_may_end_the_turn_when_refused(person: Person) -> None:
    person.ask("steward", "here is a stranger")
    person.press("Reject…")
    person.press("Reject")
    expect(person.page.locator(".notice")).to_have_text("The stranger was turned away.")
    person.wait_until_idle()

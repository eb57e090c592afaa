"""Texts of scripts that are read from right to left, among others: each is shown in its own direction."""

import pytest
from playwright.sync_api import expect

from tests.support.person import Person

pytestmark = pytest.mark.browser

SHALOM = "שלום, מה שלומך?"
DIRECTION = "node => getComputedStyle(node).direction"


def test_each_text_is_shown_in_its_own_direction(person: Person) -> None:
    person.box.fill(SHALOM)
    assert person.box.evaluate(DIRECTION) == "rtl"
    person.say(SHALOM)
    person.wait_until_idle()
    person.say("hello")
    person.wait_until_idle()
    first, second = person.questions.all()
    assert (first.evaluate(DIRECTION), second.evaluate(DIRECTION)) == ("rtl", "ltr")
    paragraphs = person.answers.last.locator("p")
    expect(paragraphs.first).to_have_attribute("dir", "auto")


def test_a_title_is_shown_in_its_own_direction(person: Person) -> None:
    person.say("hello")
    person.wait_until_idle()
    person.page.get_by_role("button", name="Rename").click()
    box = person.page.locator("#topbar input")
    box.fill(SHALOM)
    assert box.evaluate(DIRECTION) == "rtl"
    box.press("Enter")
    title = person.page.locator("#conversations [aria-current=page] .title")
    expect(title).to_have_text(SHALOM)
    expect(title).to_have_attribute("dir", "auto")
    assert title.evaluate(DIRECTION) == "rtl"
    assert person.page.get_by_role("heading", name=SHALOM).evaluate(DIRECTION) == "rtl"

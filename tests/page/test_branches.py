"""A conversation goes on elsewhere: branched from one of its answers, or exported."""

import pytest
from playwright.sync_api import expect

from tests.page.conftest import SignedIn
from tests.support.locked_service import LockedService

pytestmark = pytest.mark.browser


def test_a_person_branches_from_an_answer(signed_in: SignedIn, locked: LockedService) -> None:
    for words in ("What is 6*7?", "What is 2+3?"):
        locked.say("c", words)
    locked.share("c", "vera", "viewer")
    person = signed_in(locked.key("vera"))
    person.page.get_by_role("link", name="Mine").click()
    expect(person.questions).to_have_count(2)
    answer = person.page.locator(".row.assistant", has_text="42")
    answer.hover()
    answer.get_by_role("button", name="Branch from here").click()
    expect(person.questions).to_have_text(["What is 6*7?"])
    expect(person.box).to_be_visible()
    assert person.conversation_id != "c"
    expect(person.page.locator("a[aria-current=page]")).to_be_visible()
    person.press("More")
    person.page.get_by_role("link", name="Go to where it was branched from").click()
    expect(person.questions).to_have_count(2)
    person.press("More")
    with person.page.expect_download() as download:
        person.page.get_by_role("link", name="Export as Markdown").click()
    assert "What is 2+3?" in download.value.path().read_text()
    person.press("More")
    expect(person.page.get_by_role("link", name="Go to where it was branched from")).to_have_count(0)
    person.page.keyboard.press("Escape")
    expect(person.page.get_by_role("link", name="Export as Markdown")).to_be_hidden()

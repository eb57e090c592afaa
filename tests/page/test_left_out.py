"""People leave a turn out of what the model is shown, see that it is, and take it in again."""

import pytest
from playwright.sync_api import expect

from tests.support.person import Person
from tests.support.service import RunningService
from tests.support.service_log import read_log

pytestmark = pytest.mark.browser


def test_a_turn_is_left_out_and_taken_in_again(person: Person, service: RunningService) -> None:
    for words in ("first words", "second words"):
        person.say(words)
        person.wait_until_idle()
    first = person.page.locator(".user", has_text="first words")
    first.hover()
    first.get_by_role("button", name="Leave out").click()
    expect(first).to_contain_text("Left out: a person has dropped this turn")
    expect(person.page.locator(".user", has_text="second words")).not_to_contain_text("Left out")
    person.reload()
    expect(first).to_contain_text("Left out: a person has dropped this turn")
    first.get_by_role("button", name="Take in again").click()
    expect(first).not_to_contain_text("Left out")
    patches = [event["patch"] for event in read_log(service.url, person.conversation_id) if "patch" in event]
    assert [patch["turns"] for patch in patches if "turns" in patch] == [[1], []]

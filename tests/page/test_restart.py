"""The service goes away in mid-answer and comes back: a page that stayed open ends with exactly the rows of the log."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.page.conftest import Visit
from tests.support.service import RunningService
from tests.support.written import keys_of, written

pytestmark = [pytest.mark.browser, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def killable(service: RunningService) -> Iterator[RunningService]:
    """The run's service, at one address all the time; it runs when the test is over, whatever came of that."""
    yield service
    if not service.runs:
        service.start()


def test_a_page_outlives_its_service(killable: RunningService, visit: Visit) -> None:
    person = visit()
    person.expects_trouble = True
    person.say("hello")
    person.wait_until_idle()
    person.say("Tell me a story")
    expect(person.answers.last).to_contain_text("Once upon a time")

    killable.stop()
    expect(person.banner).to_contain_text("Connection lost")
    person.say("What is 6*7?")
    expect(person.page.locator(".user").last).to_contain_text("Waiting for the connection")
    killable.start()

    expect(person.answers.last).to_contain_text("42", timeout=60_000)
    expect(person.banner).to_be_hidden()
    person.wait_until_idle()
    expect(person.questions).to_have_text(["hello", "Tell me a story", "What is 6*7?"])
    rows = person.rows()
    log = written(killable.url, person.conversation_id)
    assert [key for key, _ in rows] == keys_of(log)
    assert [event["outcome"] for event in log if event["type"] == "turn_ended"] == ["completed"] * 3
    person.page.reload()
    expect(person.page.locator(".row")).to_have_count(len(rows))
    assert person.rows() == rows

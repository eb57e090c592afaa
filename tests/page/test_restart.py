"""The service stops during an answer and starts again: a page that stayed open ends with the rows of the log."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.page.conftest import Visit
from tests.support.service import RunningService
from tests.support.service_log import read_log, row_keys

pytestmark = [pytest.mark.browser, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def restartable(service: RunningService) -> Iterator[RunningService]:
    """The run's service, always at the same address; it runs again when the test is over, even if that failed."""
    yield service
    if not service.runs:
        service.start()


def test_a_page_outlives_its_service(restartable: RunningService, visit: Visit) -> None:
    person = visit()
    person.expects_failed_requests = True
    person.say("hello")
    person.wait_until_idle()
    person.say("Tell me a story")
    expect(person.answers.last).to_contain_text("Once upon a time")

    restartable.stop()
    expect(person.banner).to_contain_text("Connection lost")
    person.say("What is 6*7?")
    expect(person.page.locator(".user").last).to_contain_text("Waiting for the connection")
    restartable.start()

    expect(person.answers.last).to_contain_text("42", timeout=60_000)
    expect(person.banner).to_be_hidden()
    person.wait_until_idle()
    expect(person.questions).to_have_text(["hello", "Tell me a story", "What is 6*7?"])
    rows = person.rows()
    log = read_log(restartable.url, person.conversation_id)
    assert [key for key, _ in rows] == row_keys(log)
    assert [event["outcome"] for event in log if event["type"] == "turn_ended"] == ["completed"] * 3
    person.page.reload()
    expect(person.page.locator(".row")).to_have_count(len(rows))
    assert person.rows() == rows

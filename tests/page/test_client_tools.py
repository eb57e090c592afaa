"""Client tools on the page: what people share or pick, what an operator adds, and who of several runs a call."""

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, expect

from tests.page.conftest import Visit
from tests.support.page_agents import PIXEL
from tests.support.person import Person
from tests.support.service_log import read_log

pytestmark = pytest.mark.browser

WHERE = 'get_location {"purpose": "To find a bakery."}'
PICK = 'pick_file {"purpose": "To read your recipe."}'
OSLO = {"latitude": 59.9139, "longitude": 10.7522, "accuracy": 20}


def result_of(url: str, conversation_id: str, call: int = 0) -> tuple[str, Any]:
    found = [event for event in read_log(url, conversation_id) if event["type"] == "tool_result"]
    return found[call]["status"], found[call]["content"]


def form(person: Person, tool: str) -> Locator:
    return person.tool(tool).get_by_role("group", name=f"Decision on {tool}")


def test_a_location_is_shared_when_the_person_says_so(visit: Visit, service_url: str) -> None:
    person = visit(geolocation=OSLO, permissions=["geolocation"])
    person.ask("caller", WHERE)
    expect(form(person, "get_location")).to_contain_text("To find a bakery.")
    person.page.wait_for_timeout(1500)  # longer than a call waits that no client can execute
    assert [event for event in read_log(service_url, person.conversation_id) if event["type"] == "tool_result"] == []
    person.press("Share my location")
    expect(person.answers.last).to_contain_text("59.9139")
    status, content = result_of(service_url, person.conversation_id)
    assert (status, '"accuracy_in_metres": 20' in content) == ("ok", True)


def test_a_browser_that_does_not_allow_it_says_so(visit: Visit, service_url: str) -> None:
    person = visit(permissions=[])
    person.ask("caller", WHERE)
    person.press("Share my location")
    expect(person.answers.last).to_contain_text("The browser does not allow it.")
    assert result_of(service_url, person.conversation_id)[0] == "denied"


def test_a_person_may_decline(person: Person, service_url: str) -> None:
    person.ask("caller", WHERE)
    person.press("Decline")
    expect(person.answers.last).to_contain_text("The client did not execute it: The person declined.")
    assert result_of(service_url, person.conversation_id)[0] == "denied"


def test_a_text_is_picked(person: Person, service_url: str, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.txt"
    recipe.write_text("Flour, water, salt.\n")
    person.ask("caller", PICK)
    pick(person, recipe)
    expect(person.answers.last).to_contain_text("Flour, water, salt.")
    status, content = result_of(service_url, person.conversation_id)
    assert status == "ok"
    assert [block["text"] for block in content] == ["The person picked the file recipe.txt.", "Flour, water, salt.\n"]


def test_a_picture_is_picked(person: Person, service_url: str, tmp_path: Path) -> None:
    picture = tmp_path / "bread.png"
    picture.write_bytes(PIXEL)
    person.ask("caller", PICK)
    pick(person, picture)
    expect(person.answers.last).to_contain_text("bread.png")
    _, [_, image] = result_of(service_url, person.conversation_id)
    assert image["source"] == {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PIXEL).decode()}


def test_what_does_not_fit_is_not_sent_and_another_file_may_be_picked(person: Person, tmp_path: Path) -> None:
    person.ask("caller", PICK)
    for name, content, words in [
        ("song.bin", b"\xff\xfe\x00", "song.bin is neither a picture nor a PDF."),
        ("long.txt", b"x" * 1_100_000, "long.txt is too large: there is room for 976 KB."),
        ("empty.txt", b"", "empty.txt is empty."),
    ]:
        (tmp_path / name).write_bytes(content)
        pick(person, tmp_path / name)
        expect(form(person, "pick_file").get_by_role("alert")).to_contain_text(words)
    (tmp_path / "short.txt").write_text("short enough")
    pick(person, tmp_path / "short.txt")
    expect(person.answers.last).to_contain_text("short enough")


def test_a_dialog_that_is_cancelled_changes_nothing(person: Person, service_url: str) -> None:
    person.ask("caller", PICK)
    with person.page.expect_file_chooser() as opened:
        person.press("Choose a file…")
    opened.value.element.dispatch_event("cancel")
    expect(form(person, "pick_file")).to_be_visible()
    person.press("Decline")
    expect(person.answers.last).to_contain_text("The person declined.")
    assert result_of(service_url, person.conversation_id)[0] == "denied"


def test_a_page_that_is_loaded_again_takes_the_call_up(visit: Visit, service_url: str) -> None:
    person = visit(geolocation=OSLO, permissions=["geolocation"])
    person.ask("caller", WHERE)
    expect(form(person, "get_location")).to_be_visible()
    person.reload()
    person.press("Share my location")
    expect(person.answers.last).to_contain_text("59.9139")
    assert result_of(service_url, person.conversation_id)[0] == "ok"


def test_the_first_of_two_answers_counts_and_the_other_page_is_told(visit: Visit, service_url: str) -> None:
    person = visit(geolocation=OSLO, permissions=["geolocation"])
    person.ask("caller", WHERE)
    expect(form(person, "get_location")).to_be_visible()
    other = visit(geolocation={**OSLO, "latitude": 1}, permissions=["geolocation"]).go(person.page.url)
    expect(form(other, "get_location")).to_be_visible()
    # This page hears nothing of the other answer before its own is sent.
    person.expects_failed_requests = True
    person.page.route("**/events?*", lambda route: route.abort())
    person.lose_network()
    expect(person.banner).to_contain_text("Connection lost")
    other.press("Share my location")
    expect(other.answers.last).to_contain_text('"latitude": 1')
    person.regain_network()
    person.press("Share my location")
    expect(person.tool("get_location").get_by_role("alert").filter(has_text="Too late")).to_be_visible()
    person.page.unroute("**/events?*")
    expect(person.answers.last).to_contain_text('"latitude": 1')
    results = [event for event in read_log(service_url, person.conversation_id) if event["type"] == "tool_result"]
    assert len(results) == 1


def test_a_tool_that_a_module_adds_runs_by_itself(person: Person, service_url: str) -> None:
    person.ask("caller", 'ring {"times": 2}\nring {"times": 9}')
    expect(person.answers.last).to_contain_text('It returned: {"rang": 2} and The client did not execute it')
    found = [result_of(service_url, person.conversation_id, call) for call in (0, 1)]
    assert sorted(found) == [
        ("denied", "The client did not execute it: the bell is broken"),
        ("ok", '{"rang": 2}'),
    ]
    runs: list[dict[str, str]] = person.page.evaluate("window.runs")
    calls = [event for event in read_log(service_url, person.conversation_id) if event["type"] == "tool_call"]
    assert sorted(run["toolCallId"] for run in runs) == sorted(call["tool_call_id"] for call in calls)
    assert {run["conversationId"] for run in runs} == {person.conversation_id}


def test_one_tab_of_several_runs_it_and_another_takes_over(person: Person, service_url: str) -> None:
    httpx.post(f"{service_url}/v1/conversations", json={"id": "two-tabs", "agent": "caller"}).raise_for_status()
    begun = "window.runs.length"
    try:
        first, second = person.go("/#/c/two-tabs"), Person(person.context).go("/#/c/two-tabs")
        for tab in (first, second):
            expect(tab.box).to_be_visible()
            tab.page.evaluate("window.isSilent = true")
        first.say('ring {"times": 1}')
        for tab in (first, second):
            expect(tab.tool("ring")).to_contain_text("This page runs it.")
        expect(second.questions.last).to_have_text('ring {"times": 1}')
        running, waiting = (first, second) if first.page.evaluate(begun) else (second, first)
        running.page.wait_for_function(f"{begun} === 1")
        assert waiting.page.evaluate(begun) == 0
        waiting.page.evaluate("window.isSilent = false")
        running.page.close()
        expect(waiting.answers.last).to_contain_text('{"rang": 1}')
        assert waiting.page.evaluate(begun) == 1
    finally:
        httpx.delete(f"{service_url}/v1/conversations/two-tabs")


def test_a_call_that_no_page_can_execute_fails_at_once(person: Person, service_url: str) -> None:
    person.ask("caller", 'unlock {"door": "front"}')
    person.press("Approve")
    expect(person.answers.last).to_contain_text("No client is connected that could execute this.")
    assert result_of(service_url, person.conversation_id)[0] == "error"


def pick(person: Person, file: Path) -> None:
    """Choose the file in the browser's dialog."""
    with person.page.expect_file_chooser() as opened:
        person.press("Choose a file…")
    opened.value.set_files(file)

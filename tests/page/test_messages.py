"""The options of a message: into the running turn or instead of it, to another model, with pictures; and refusals."""

import base64
import re

import pytest
from playwright.sync_api import FilePayload, Locator, Route, expect

from tests.support.page_agents import PIXEL
from tests.support.person import Person
from tests.support.service import RunningService
from tests.support.service_agents import Ledger
from tests.support.service_log import WireEvent, read_log

pytestmark = pytest.mark.browser

MAX_MESSAGE_BYTES = 60_000
NOISE = """size => new Promise(done => {
  const canvas = Object.assign(document.createElement('canvas'), {width: size, height: size});
  const context = canvas.getContext('2d');
  const pixels = context.createImageData(size, size);
  for (let at = 0; at < pixels.data.length; at += 65536) crypto.getRandomValues(pixels.data.subarray(at, at + 65536));
  context.putImageData(pixels, 0, 0);
  const reader = new FileReader();
  reader.onload = () => done(reader.result.split(',')[1]);
  canvas.toBlob(blob => reader.readAsDataURL(blob), 'image/png');
})"""
DROP = """([selector, name, type, data]) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  transfer.items.add(new File([bytes], name, {type}));
  const event = new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true, cancelable: true});
  document.querySelector(selector).dispatchEvent(event);
}"""


def user_messages(service: RunningService, person: Person) -> list[WireEvent]:
    return [event for event in read_log(service.url, person.conversation_id) if event["type"] == "user_msg"]


def policy(person: Person) -> Locator:
    return person.page.get_by_label("When to send")


def test_a_message_is_steered_into_the_running_turn(person: Person, service: RunningService) -> None:
    expect(policy(person)).to_be_hidden()
    person.ask("worker", "wait: for it")
    expect(person.tool("wait").locator(".chip")).to_have_text("Running")
    policy(person).select_option("Into this turn")
    person.say("and hurry")
    newest = person.page.locator(".user").last
    expect(newest).to_contain_text("Goes into this turn at its next step")
    expect(policy(person)).to_have_value("queue")
    Ledger(service.data_dir).open_gate(person.conversation_id)
    person.wait_until_idle()
    expect(newest).not_to_contain_text("Goes into this turn")
    first, second = user_messages(service, person)
    assert (first["turn"], second["turn"], second["step"]) == (1, 1, 2)


def test_a_message_stops_the_turn_and_is_sent(person: Person, service: RunningService) -> None:
    person.say("Tell me a story")
    expect(person.answers.last).to_contain_text("Once upon")
    policy(person).select_option("Stop and send")
    person.say("What is 6*7?")
    expect(person.answers.last).to_contain_text("42")
    person.wait_until_idle()
    expect(person.page.locator(".notice")).to_have_text("Stopped")
    assert [event["turn"] for event in user_messages(service, person)] == [1, 2]


def test_a_refused_message_keeps_its_text(person: Person) -> None:
    person.ask("miser", "hello")
    person.wait_until_idle()
    person.expects_failed_requests = True
    person.say("and another thing")
    refused = person.page.locator(".user[data-delivery=failed]")
    expect(refused).to_contain_text("Not sent: ")
    expect(refused).to_contain_text("used up")
    refused.get_by_role("button", name="Edit").click()
    expect(person.box).to_have_value("and another thing")
    expect(refused).to_have_count(0)


def test_the_chosen_agent_has_suggestions_of_its_own_and_says_that_it_is_offline(person: Person) -> None:
    suggestions = person.page.locator(".suggestion")
    expect(suggestions).to_have_text(["What time is it?", "What is 6*7?", "Announce: hello"])
    person.choose("claude")
    expect(suggestions).to_have_count(0)
    offline = person.page.locator(".agent-card", has=person.page.locator(".offline"))
    expect(offline.filter(has_text="assistant")).to_have_count(1)
    expect(offline.filter(has_text="claude")).to_have_count(0)
    expect(person.page.locator("#about .offline")).to_have_count(0)
    person.choose("steward")
    person.press("How are you?")
    person.wait_until_idle()
    expect(person.questions).to_have_text(["How are you?"])
    expect(person.page.locator("#topbar .offline")).to_have_text("Offline")


def test_every_agent_is_introduced_and_its_models_are_offered(person: Person, service: RunningService) -> None:
    agents = person.page.get_by_role("group", name="Agent")
    expect(agents).to_contain_text("Looks after the house and asks before anything is lost.")
    model = person.page.get_by_label("Model", exact=True)
    expect(model).to_be_hidden()
    person.choose("steward")
    expect(model).to_have_value("quick")
    model.select_option("thorough")
    person.say("hello")
    person.wait_until_idle()
    expect(person.page.locator(".assistant .row-foot")).to_contain_text("thorough")
    person.reload()
    expect(model).to_have_value("thorough")
    model.select_option("quick")
    person.say("again")
    person.wait_until_idle()
    assert [event["model"] for event in user_messages(service, person)] == ["thorough", None]


def test_pictures_and_documents_go_with_a_message(person: Person, service: RunningService) -> None:
    picker = person.page.get_by_label("Files to attach")
    picture: FilePayload = {"name": "dot.png", "mimeType": "image/png", "buffer": PIXEL}
    document: FilePayload = {"name": "contract.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4 nothing"}
    picker.set_input_files([picture, document])
    tray = person.page.get_by_role("list", name="Attached")
    expect(tray.get_by_role("listitem")).to_have_count(2)
    person.page.evaluate(DROP, ["#message", "more.png", "image/png", base64.b64encode(PIXEL).decode()])
    expect(tray.get_by_role("img")).to_have_count(2)
    tray.get_by_role("button", name="Remove picture").first.click()
    expect(tray.get_by_role("listitem")).to_have_count(2)
    virus: FilePayload = {"name": "virus.exe", "mimeType": "application/x-msdownload", "buffer": b"MZ"}
    picker.set_input_files([virus])
    expect(person.page.get_by_text("virus.exe is neither a picture nor a PDF.")).to_be_visible()
    person.say("look at these")
    expect(tray).to_be_hidden()
    person.wait_until_idle()
    message = person.page.locator(".user")
    expect(message.get_by_role("img", name="Picture 1")).to_be_visible()
    expect(message.get_by_role("link", name="contract.pdf")).to_have_attribute("download", "contract.pdf")
    (event,) = user_messages(service, person)
    assert [block["type"] for block in event["content"]] == ["document", "image", "text"]
    before = person.rows()
    person.reload()
    expect(message.get_by_role("img", name="Picture 1")).to_be_visible()
    assert person.rows() == before


def test_a_picture_that_is_too_large_is_made_smaller(person: Person) -> None:
    """The picture is noise, which cannot be compressed: it is larger than the page is told that a message may be."""

    def limit(route: Route) -> None:
        route.fulfill(json={**route.fetch().json(), "max_attachment_bytes": MAX_MESSAGE_BYTES})

    person.page.route("**/v1/info", limit)
    with person.page.expect_response("**/v1/info"):
        person.reload()
    data: str = person.page.evaluate(NOISE, 200)
    assert len(data) > MAX_MESSAGE_BYTES
    noise: FilePayload = {"name": "noise.png", "mimeType": "image/png", "buffer": base64.b64decode(data)}
    person.page.get_by_label("Files to attach").set_input_files([noise, noise])
    small = person.page.get_by_role("img", name="Attached picture")
    expect(small).to_have_attribute("src", re.compile("^data:image/jpeg;base64,"))
    expect(person.page.get_by_role("alert")).to_contain_text("noise.png is too large: there is room for ")
    person.press("Send")
    person.wait_until_idle()
    expect(person.page.locator(".user").get_by_role("img", name="Picture 1")).to_be_visible()

"""The plan and the files of a conversation on the page: shown, changed, and never overwritten unseen."""

import httpx
import orjson
import pytest
from playwright.sync_api import expect

from tests.support.page_agents import PIXEL
from tests.support.person import Person

pytestmark = pytest.mark.browser

PLAN = [
    {"text": "Look around", "status": "completed"},
    {"text": "Write the report", "status": "in_progress"},
    {"text": "Send it", "status": "pending"},
]
SHORT_TURNS = 28
"""Three events each: more than a page of history."""
ATTACK = "# Report\n\n<img src=x onerror=document.title='pwned'> **bold** <script>document.title='pwned'</script>\n"


def call(name: str, **arguments: object) -> str:
    return f"{name} {orjson.dumps(arguments).decode()}"


def test_the_plan_is_shown_while_it_changes_and_after_a_reload(person: Person) -> None:
    person.ask("steward", call("write_todos", todos=PLAN))
    plan = person.page.locator(".plan")
    expect(plan.locator("summary")).to_contain_text("Write the report")
    expect(plan.locator("summary")).to_contain_text("1 of 3")
    expect(plan.get_by_text("Send it")).to_be_hidden()
    person.wait_until_idle()
    person.say(call("write_todos", todos=[{**todo, "status": "completed"} for todo in PLAN]))
    expect(plan.locator("summary")).to_contain_text("All steps done")
    person.wait_until_idle()
    person.reload()
    expect(plan.locator("summary")).to_contain_text("3 of 3")
    plan.locator("summary").press("Enter")
    expect(plan.locator("li")).to_have_text([f"{todo['text']} (done)" for todo in PLAN])


def test_a_plan_from_long_ago_is_found(person: Person, service_url: str) -> None:
    """It is older than the page of history that is shown, and is found without scrolling."""
    with httpx.Client(base_url=service_url, timeout=30.0) as http:
        conversation_id: str = http.post("/v1/conversations", json={"agent": "steward"}).json()["id"]
        for text in (call("write_todos", todos=PLAN), *map(str, range(SHORT_TURNS))):
            headers = {"Accept": "text/event-stream"}  # an answer that ends with the turn
            http.post(f"/v1/conversations/{conversation_id}/messages", json={"text": text}, headers=headers)
    person.go(f"/#/c/{conversation_id}")
    expect(person.answers.last).to_have_text(f"You said: {SHORT_TURNS - 1}")
    expect(person.page.locator(".plan summary")).to_contain_text("Write the report")
    expect(person.tool("write_todos")).to_have_count(0)


def test_files_appear_as_the_agent_writes_them_and_are_inert(person: Person) -> None:
    person.ask("steward", "hello")
    person.wait_until_idle()
    person.press("Files")
    expect(person.files).to_contain_text("No files yet.")
    person.say(call("create_file", path="notes/report.md", content=ATTACK))
    entry = person.files.get_by_role("button", name="notes/report.md")
    expect(entry).to_be_visible()
    entry.click()
    expect(person.files.locator("strong")).to_have_text("bold")
    expect(person.files).to_contain_text("onerror=document.title")
    expect(person.files.locator("img, script, [onerror]")).to_have_count(0)
    assert "pwned" not in person.page.title()[:5]
    person.wait_until_idle()
    person.say(call("edit_file", path="notes/report.md", old="**bold**", new="**bolder**"))
    expect(person.files.locator("strong")).to_have_text("bolder")
    person.wait_until_idle()
    person.files.get_by_role("button", name="All files").press("Escape")
    expect(person.files).to_be_hidden()
    expect(person.page.get_by_role("button", name="Files (1)")).to_be_focused()


def test_a_person_creates_changes_and_deletes_a_file(person: Person, service_url: str) -> None:
    person.ask("steward", "hello")
    person.wait_until_idle()
    person.press("Files")
    person.press("New file")
    person.files.get_by_label("Content").fill("one\n")
    person.press("Save")
    expect(person.files.get_by_role("alert")).to_have_text("Give the file a name.")
    person.expects_failed_requests = True
    for path in ("../secret.txt", "back\\slash.txt"):
        person.files.get_by_label("Path").fill(path)
        person.press("Save")
        expect(person.files.get_by_role("alert")).to_contain_text("No file can be called that")
    person.files.get_by_label("Path").fill("list.txt")
    person.press("Save")
    expect(person.files.get_by_text("Saved.")).to_be_visible()
    person.files.get_by_role("button", name="Edit").click()
    person.files.get_by_label("Content").fill("two\n")
    person.files.get_by_label("Content").press("Control+s")
    expect(person.files.locator("pre")).to_have_text("two\n")
    address = f"{service_url}/v1/conversations/{person.conversation_id}/files/list.txt"
    assert httpx.get(address).text == "two\n"
    person.press("Delete file")
    person.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(person.files).to_contain_text("No files yet.")
    assert httpx.get(address).status_code == 404
    dot = address.replace("list.txt", "dot.png")
    httpx.put(dot, content=PIXEL, headers={"If-None-Match": "*"}).raise_for_status()
    person.files.get_by_role("button", name="dot.png").click()
    expect(person.files.get_by_role("img", name="dot.png")).to_be_visible()
    expect(person.files.get_by_role("button", name="Edit")).to_have_count(0)


def test_a_conflict_shows_both_versions_and_a_person_decides(person: Person, service_url: str) -> None:
    person.ask("steward", call("create_file", path="list.txt", content="one\ntwo\nthree\n"))
    person.wait_until_idle()
    address = f"{service_url}/v1/conversations/{person.conversation_id}/files/list.txt"

    def write(text: str) -> None:
        version = httpx.get(address).headers["ETag"]
        httpx.put(address, content=text, headers={"If-Match": version}).raise_for_status()

    person.expects_failed_requests = True
    person.press("Files (1)")
    person.files.get_by_role("button", name="list.txt").click()
    person.files.get_by_role("button", name="Edit").click()
    content = person.files.get_by_label("Content")
    content.fill("one\nmine\nthree\n")
    write("one\ntheirs\nthree\n")
    expect(person.files.get_by_text("This file was changed meanwhile.")).to_be_visible()
    person.press("Save")
    expect(person.files.get_by_role("alert")).to_have_text("Somebody changed this file while you wrote.")
    expect(person.files.locator(".line.changed")).to_have_text(["mine\n", "theirs\n"])
    person.press("Go on writing")
    expect(content).to_have_value("one\nmine\nthree\n")
    person.press("Save")
    expect(person.files.get_by_text("Saved.")).to_be_visible()
    assert httpx.get(address).text == "one\nmine\nthree\n"

    person.files.get_by_role("button", name="Edit").click()
    content.fill("mine again\n")
    write("theirs again\n")
    person.press("Save")
    person.press("Take theirs")
    expect(person.files.locator("pre")).to_have_text("theirs again\n")
    assert httpx.get(address).text == "theirs again\n"


def test_unsaved_changes_are_not_lost_by_accident(person: Person) -> None:
    person.ask("steward", call("create_file", path="list.txt", content="one\n"))
    person.wait_until_idle()
    person.press("Files (1)")
    person.files.get_by_role("button", name="list.txt").click()
    person.files.get_by_role("button", name="Edit").click()
    content = person.files.get_by_label("Content")
    content.fill("two\n")
    content.press("Escape")
    dialog = person.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel").click()
    expect(content).to_have_value("two\n")
    person.page.keyboard.press("Control+k")
    expect(person.title).to_have_text("New conversation")
    expect(content).to_have_value("two\n")
    person.page.go_back()
    expect(person.answers).to_have_count(1)
    expect(content).to_have_value("two\n")
    person.press("All files")
    dialog.get_by_role("button", name="Leave").click()
    expect(person.files.get_by_role("button", name="list.txt")).to_be_focused()

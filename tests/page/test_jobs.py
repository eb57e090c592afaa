"""Jobs on the page: found, followed, cancelled, done again; what has failed; and what is not offered."""

from typing import Any

import orjson
import pytest
from playwright.sync_api import Locator, ViewportSize, expect

from agents.clock import now_ms
from deployments.work.failure_audit import FailureAudit
from store import Store
from store.registries.jobs import JobRecord
from tests.page.conftest import SignedIn
from tests.support import job_types
from tests.support.locked_service import LockedService
from tests.support.person import Person

pytestmark = pytest.mark.browser

KEPT = 86_400_000
PHONE: ViewportSize = {"width": 360, "height": 740}
NOTE = job_types.Note(ledger="/nowhere/ledger", text="with <b>markup</b>").model_dump_json().encode()


async def add(store: Store, job_id: str, owner: str = "acme/ada", **fields: Any) -> JobRecord:
    """A job that waits, of the type `write_note`."""
    now = now_ms()
    job = JobRecord(job_id, "write_note", owner, "normal", "waiting", NOTE, now, now, **fields)
    await store.jobs.add(job, now=now, kept_ms=KEPT)
    return job


def view(person: Person) -> Locator:
    return person.page.locator(".view")


def jobs(person: Person) -> Locator:
    return person.page.locator(".view tbody th > a")


def title(person: Person) -> Locator:
    return view(person).get_by_role("heading", level=2)


def test_a_job_is_found_and_followed_to_its_end(signed_in: SignedIn, locked: LockedService) -> None:
    locked.do(lambda store: add(store, "j0", name="an older one"))
    locked.do(lambda store: store.jobs.cancel("j0", now_ms(), kept_ms=KEPT))
    locked.do(lambda store: add(store, "bobs", "acme/bob"))
    locked.do(lambda store: add(store, "j1", name="report of may", conversation="c"))
    locked.do(lambda store: store.jobs.begin("j1", "claim", now_ms()))
    person = signed_in(locked.key())
    person.page.get_by_role("link", name="Work").click()
    person.page.get_by_role("link", name="Jobs", exact=True).click()
    expect(jobs(person)).to_have_text(["report of may", "an older one"])
    view(person).get_by_label("State").select_option("Cancelled")
    expect(jobs(person)).to_have_text(["an older one"])
    person.reload()
    expect(jobs(person)).to_have_text(["an older one"])
    view(person).get_by_label("State").select_option("Running")
    jobs(person).click()

    expect(title(person)).to_have_text("report of may")
    standing = person.page.locator(".standing")
    expect(standing).to_have_text("Running")
    person.page.get_by_text("Payload").click()
    locked.do(lambda store: store.jobs.report("j1", "claim", orjson.dumps({"done": 1, "total": 4, "note": "page 1"})))
    expect(person.page.locator(".progress")).to_have_text("1 of 4 · page 1")
    expect(person.page.get_by_role("progressbar", name="Progress")).to_have_attribute("value", "1")
    locked.do(lambda store: fail(store, "j1", "claim"))
    expect(standing).to_have_text("Failed")
    expect(person.page.locator(".view-error")).to_have_text("it did not work out")
    expect(person.page.locator(".attempts li")).to_contain_text("Attempt 1 · run")
    expect(person.page.locator(".fold .json")).to_contain_text('"text": "with <b>markup</b>"')
    person.page.locator(".facts").get_by_role("link", name="c", exact=True).click()
    expect(person.title).to_have_text("Mine")
    person.page.go_back()

    person.press("Retry")
    expect(standing).to_have_text("Waiting")
    person.press("Cancel the job")
    dialog = person.page.get_by_role("dialog", name="Cancel write_note?")
    dialog.get_by_role("button", name="Keep it").click()
    expect(standing).to_have_text("Waiting")
    person.press("Cancel the job")
    dialog.get_by_role("button", name="Cancel the job").click()
    expect(standing).to_have_text("Cancelled")
    again = person.page.url.rpartition("/")[2]
    assert again != "j1"
    ended = locked.do(lambda store: store.jobs.get(again))
    assert ended is not None
    assert (ended.state, ended.payload, ended.conversation) == ("cancelled", NOTE, "c")


async def fail(store: Store, name: str, claim: str) -> None:
    job = await store.jobs.get(name)
    assert job is not None
    await FailureAudit(store, now_ms).add(job, "run", "it did not work out")
    await store.jobs.end(name, claim, "failed", now_ms(), kept_ms=KEPT, fields={"error": "it did not work out"})


def test_what_has_failed_is_found_by_stage_and_conversation(signed_in: SignedIn, locked: LockedService) -> None:
    for name, conversation in (("j1", "c"), ("j2", None)):
        locked.do(lambda store, name=name, about=conversation: add(store, name, conversation=about))
        locked.do(lambda store, name=name: store.jobs.begin(name, "claim", now_ms()))
        locked.do(lambda store, name=name: fail(store, name, "claim"))
    person = signed_in(locked.key())
    person.go("/#/work/failures")
    expect(jobs(person)).to_have_count(2)
    expect(person.page.get_by_role("link", name="Jobs", exact=True)).to_have_attribute("aria-current", "page")
    view(person).get_by_label("Stage").select_option("worker: its process ended")
    expect(person.page.get_by_text("Nothing found.")).to_be_visible()
    view(person).get_by_label("Stage").select_option("run: the job's own error")
    view(person).get_by_label("Conversation", exact=True).fill("c")
    expect(jobs(person)).to_have_count(1)
    jobs(person).click()
    expect(person.page.locator(".facts code")).to_have_text("j1")


def test_what_a_person_may_not_do_is_not_offered(signed_in: SignedIn, locked: LockedService) -> None:
    locked.do(lambda store: add(store, "j1"))
    locked.do(lambda store: add(store, "bobs", "acme/bob"))
    reader = signed_in(locked.key(scopes=frozenset({"read"})))
    reader.page.set_viewport_size(PHONE)
    reader.go("/#/work/jobs/j1")
    expect(reader.page.locator(".standing")).to_have_text("Waiting")
    expect(reader.page.get_by_role("button", name="Cancel the job")).to_have_count(0)
    assert reader.page.evaluate("document.documentElement.scrollWidth") == 360
    assert reader.page.evaluate("document.getElementById('place').scrollWidth") <= 360
    reader.go("/#/work/jobs/bobs")
    expect(reader.page.get_by_text("There is no job bobs.")).to_be_visible()
    reader.go("/#/work/jobs")
    expect(jobs(reader)).to_have_text(["write_note"])
    assert reader.page.evaluate("document.getElementById('place').scrollWidth") <= 360
    expect(view(reader).get_by_label("Whose")).to_have_count(0)
    reader.go("/#/work/nothing")
    expect(title(reader)).to_have_text("Nothing is here")

    admin = signed_in(locked.key("boss", roles=frozenset({"user", "admin"})))
    admin.go("/#/work/jobs")
    expect(admin.page.get_by_text("No jobs yet.")).to_be_visible()
    view(admin).get_by_label("Whose").select_option("Of the tenant")
    expect(jobs(admin)).to_have_count(2)


def test_the_place_by_keyboard_alone(signed_in: SignedIn, locked: LockedService) -> None:
    locked.do(lambda store: add(store, "j1", name="first"))
    person = signed_in(locked.key())
    keyboard = person.page.keyboard
    link, place = person.page.get_by_role("link", name="Work"), person.page.locator("#place")
    link.focus()
    keyboard.press("Enter")
    expect(place).to_be_focused()
    expect(link).to_have_attribute("aria-current", "page")
    tab = person.page.get_by_role("link", name="Jobs", exact=True)
    tab.focus()
    keyboard.press("Enter")
    expect(person.page.get_by_role("region", name="Jobs")).to_be_visible()
    expect(tab).to_be_focused()
    jobs(person).focus()
    locked.do(lambda store: store.jobs.begin("j1", "claim", now_ms()))
    expect(place).to_contain_text("Running")
    expect(jobs(person)).to_be_focused()
    keyboard.press("Enter")
    expect(person.page.get_by_role("region", name="first")).to_be_focused()
    keyboard.press("Control+k")
    expect(person.title).to_have_text("New conversation")
    expect(person.box).to_be_focused()
    expect(place).to_be_hidden()

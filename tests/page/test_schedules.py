"""Schedules on the page: made with the next times in sight, changed, run, paused, deleted; and their runs."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from agents.clock import now_ms
from deployments.schedules.client import ScheduleClient
from deployments.schedules.definition import Definition
from deployments.schedules.state import Schedule
from deployments.schedules.transitions import Outcome, Step, note_outcome, note_started
from store import Store
from tests.page.conftest import SignedIn
from tests.support.locked_service import LockedService
from tests.support.person import Person

pytestmark = pytest.mark.browser

REPORT = Definition(name="Morning report", cron="0 9 * * *", zone="Europe/Berlin", agent="assistant", prompt="Report.")


async def make(store: Store, definition: Definition = REPORT, owner: str = "acme/ada") -> Schedule:
    return await ScheduleClient(store).create(owner, definition)


async def find(store: Store, schedule_id: str) -> Schedule:
    return await ScheduleClient(store).get(schedule_id)


async def advance(store: Store, schedule_id: str, outcome: Outcome | None = None, **where: Any) -> None:
    """What a scheduler notes of the first run that is not over: that it has begun, or how it goes."""

    def transition(schedule: Schedule) -> Step:
        run = schedule.state.runs[0].id
        if outcome is None:
            return note_started(schedule, run, now_ms(), **where)
        return note_outcome(schedule, run, outcome, now_ms())

    await ScheduleClient(store).commit(schedule_id, transition)


def view(person: Person) -> Locator:
    return person.page.locator(".view")


def named(person: Person, label: str) -> Locator:
    return view(person).get_by_label(label, exact=True)


def schedule_id(person: Person) -> str:
    return person.page.url.rpartition("/")[2]


def test_a_schedule_is_made_with_its_next_times_in_sight_and_changed(
    signed_in: SignedIn, locked: LockedService
) -> None:
    person = signed_in(locked.key(), timezone_id="America/Lima")
    person.page.get_by_role("link", name="Work").click()
    person.page.get_by_role("link", name="New schedule").click()
    expect(named(person, "Time zone")).to_have_value("America/Lima")
    named(person, "Name").fill("Morning report")
    named(person, "Prompt").fill("Report of {{date}}")
    times = view(person).locator(".times li")
    expect(times).to_have_count(5)
    named(person, "Cron expression").fill("nonsense")
    expect(view(person).locator(".next-times")).to_have_text(re.compile("^'nonsense' is no cron expression"))
    named(person, "Cron expression").fill("30 8 * * 1")
    named(person, "Time zone").fill("Europe/Berlin")
    expect(times).to_have_count(5)
    expect(times.first).to_have_text(re.compile(r"Mon.*08:30|Mon.*8:30"))
    view(person).get_by_text("Rules and dates").click()
    named(person, "If the run before is not over").select_option("Run both")
    named(person, "Not after").fill("2020-01-01T00:00")
    expect(view(person).get_by_text("It is never due.")).to_be_visible()
    named(person, "Not after").fill("")
    expect(times).to_have_count(5)
    person.press("Save")

    expect(view(person).get_by_role("heading", name="Morning report")).to_be_visible()
    expect(view(person).locator(".standing")).to_contain_text("30 8 * * 1 · Europe/Berlin")
    expect(times).to_have_count(5)
    kept = locked.do(lambda store: find(store, schedule_id(person)))
    wanted = {"cron": "30 8 * * 1", "zone": "Europe/Berlin", "prompt": "Report of {{date}}", "overlap": "allow"}
    assert kept.owner == "acme/ada"
    assert {name: getattr(kept.definition, name) for name in wanted} == wanted

    view(person).get_by_role("link", name="Edit").click()
    expect(named(person, "Cron expression")).to_have_value("30 8 * * 1")
    view(person).get_by_label("At an interval").check()
    expect(named(person, "Cron expression")).to_be_hidden()
    named(person, "Number").fill("90")
    named(person, "Unit").select_option("minutes")
    named(person, "Name").fill("Now and then")
    person.press("Save")
    expect(view(person).locator(".standing")).to_contain_text("every 90 minutes")
    changed = locked.do(lambda store: find(store, kept.id)).definition
    assert (changed.name, changed.every, changed.cron, changed.overlap) == ("Now and then", 5400, None, "allow")


def test_a_schedule_is_run_paused_and_deleted(signed_in: SignedIn, locked: LockedService) -> None:
    schedule = locked.do(make)
    locked.do(lambda store: make(store, owner="acme/bob"))
    person = signed_in(locked.key())
    person.go("/#/work/schedules")
    row = view(person).locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Morning report")
    row.get_by_role("link").click()

    person.press("Run now")
    runs = view(person).locator("tbody tr")
    expect(runs).to_contain_text("Starting")
    locked.do(lambda store: advance(store, schedule.id, conversation="c", seq=1))
    expect(runs).to_contain_text("Running")
    locked.do(lambda store: advance(store, schedule.id, Outcome("awaiting_input")))
    expect(runs).to_contain_text("Needs a person")
    usage = {"input_tokens": 1200, "output_tokens": 34}
    over = Outcome("succeeded", result="All is <b>well</b>.", usage=usage, cost=1500)
    locked.do(lambda store: advance(store, schedule.id, over))
    expect(runs).to_contain_text("Succeeded")
    for words in ("All is <b>well</b>.", "1,234", "$0.0015", "asked for"):
        expect(runs).to_contain_text(words)
    runs.get_by_role("link").click()
    expect(person.title).to_have_text("Mine")
    person.page.go_back()

    person.press("Pause")
    standing = view(person).locator(".standing")
    expect(standing).to_contain_text("Paused")
    person.go("/#/work/schedules")
    expect(row).to_contain_text("Paused")
    expect(row).to_contain_text("Succeeded")
    row.get_by_role("link").click()
    person.press("Resume")
    expect(standing).to_contain_text("Active")
    person.press("Run now")
    runs.first.get_by_role("button", name="Cancel this run").click()
    expect(runs.first).to_contain_text("Cancelled")
    person.press("Delete")
    dialog = person.page.get_by_role("dialog", name="Delete Morning report?")
    dialog.get_by_role("button", name="Delete").click()
    expect(view(person).get_by_text("No schedules yet.")).to_be_visible()
    assert locked.do(lambda store: store.schedules.get(schedule.id)) is None


def test_a_key_that_only_reads_is_offered_no_change(signed_in: SignedIn, locked: LockedService) -> None:
    schedule = locked.do(make)
    reader = signed_in(locked.key(scopes=frozenset({"read"})))
    reader.page.set_viewport_size({"width": 360, "height": 740})
    for address in ("/#/work/schedules", f"/#/work/schedules/{schedule.id}"):
        reader.go(address)
        expect(view(reader)).to_contain_text("Morning report")
        expect(view(reader)).to_contain_text("Active")
        expect(view(reader).get_by_role("button")).to_have_count(0)
        expect(view(reader).get_by_role("link", name=re.compile("New schedule|Edit"))).to_have_count(0)
        assert reader.page.evaluate("document.getElementById('place').scrollWidth") <= 360
    reader.go("/#/work/new-schedule")
    expect(view(reader)).to_contain_text("Nothing is here")

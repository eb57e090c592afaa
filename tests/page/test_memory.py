"""Memory on the page: what is remembered, where it came from, corrected and forgotten; and standing instructions."""

import pytest
from playwright.sync_api import Locator, expect

from agents.clock import now_ms
from agents.memory import Entry, PersonalMemory
from store import Scope, Store
from tests.page.conftest import SignedIn
from tests.support.locked_service import LockedService
from tests.support.person import Person

pytestmark = pytest.mark.browser


async def remember(store: Store, text: str, person: str = "acme/ada") -> Entry:
    source = {"conversation": "c", "turn": 1, "channel": "telegram", "agent": "assistant"}
    return await PersonalMemory(store, person, now_ms).add(text, source)


async def known(store: Store) -> list[str]:
    return [entry.text for entry in await PersonalMemory(store, "acme/ada", now_ms).entries()]


def rows(person: Person) -> Locator:
    return person.page.locator(".view tbody th > a")


def test_what_is_remembered_is_seen_corrected_and_forgotten(signed_in: SignedIn, locked: LockedService) -> None:
    locked.do(lambda store: remember(store, "Likes <b>tea</b>."))
    locked.do(lambda store: remember(store, "Has a cat."))
    locked.do(lambda store: remember(store, "Likes coffee.", "acme/bob"))
    person = signed_in(locked.key())
    person.page.get_by_role("link", name="Memory").click()
    expect(rows(person)).to_have_text(["Has a cat.", "Likes <b>tea</b>."])
    expect(person.page.locator(".view tbody tr").first).to_contain_text("telegram")
    person.page.locator(".view-filters").get_by_label("Search").fill("tea")
    expect(rows(person)).to_have_text(["Likes <b>tea</b>."])

    rows(person).click()
    words = person.page.get_by_label("What agents remember")
    expect(words).to_have_value("Likes <b>tea</b>.")
    words.fill("Likes green tea.")
    person.press("Save")
    expect(rows(person)).to_have_text(["Has a cat.", "Likes green tea."])

    person.page.get_by_role("link", name="Add").click()
    person.page.get_by_label("What agents remember").fill("Plays chess.")
    person.press("Save")
    expect(rows(person)).to_have_text(["Plays chess.", "Has a cat.", "Likes green tea."])
    rows(person).nth(1).click()
    person.press("Forget")
    person.press("Forget it")
    expect(rows(person)).to_have_text(["Plays chess.", "Likes green tea."])
    assert locked.do(known) == ["Likes green tea.", "Plays chess."]


def test_a_correction_of_what_has_changed_meanwhile_is_not_lost_silently(
    signed_in: SignedIn, locked: LockedService
) -> None:
    entry = locked.do(lambda store: remember(store, "Likes tea."))
    person = signed_in(locked.key())
    person.page.evaluate(f"location.hash = '#/memory/remembered/{entry.id}'")
    words = person.page.get_by_label("What agents remember")
    expect(words).to_have_value("Likes tea.")
    locked.do(lambda store: PersonalMemory(store, "acme/ada", now_ms).correct(entry.id, "Likes coffee.", {}))
    words.fill("Likes milk.")
    person.press("Save")
    expect(person.page.locator(".form-error")).to_contain_text("changed meanwhile")
    assert locked.do(known) == ["Likes coffee."]


def test_standing_instructions_are_written(signed_in: SignedIn, locked: LockedService) -> None:
    person = signed_in(locked.key())
    person.page.get_by_role("link", name="Memory").click()
    person.page.get_by_role("link", name="Instructions").click()
    words = person.page.get_by_label("What you tell every agent")
    expect(person.page.get_by_role("button", name="Save")).to_be_enabled()
    words.fill("Be kind.")
    person.press("Save")
    expect(person.page.get_by_text("Saved.")).to_be_visible()
    person.reload()
    expect(words).to_have_value("Be kind.")

    async def written(store: Store) -> bytes:
        return (await store.files.read(Scope("user", "acme/ada"), "instructions.md")).content

    assert locked.do(written) == b"Be kind."

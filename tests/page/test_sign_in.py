"""A service that asks for keys: the page signs in with one, shows who that is, shares, and signs out."""

import pytest
from playwright.sync_api import expect

from tests.page.conftest import SignedIn, Visit
from tests.support.locked_service import LockedService
from tests.support.person import Person

pytestmark = pytest.mark.browser


def sign_in(person: Person, key: str) -> None:
    person.page.get_by_label("API key").fill(key)
    person.press("Sign in")


def test_a_person_signs_in_and_out(visit_at: Visit, locked: LockedService) -> None:
    person, key = visit_at(locked.url), locked.key()
    dialog = person.page.get_by_role("dialog", name="Sign in")
    expect(dialog).to_be_visible()
    # A browser reports each request that was refused.
    assert all("401" in error for error in person.console_errors)
    person.console_errors.clear()
    person.expects_failed_requests = True

    sign_in(person, "rl_aaaaaaaaaaaa_" + "x" * 43)
    expect(dialog.get_by_role("alert")).to_have_text("This key is not valid.")
    expect(person.page.get_by_role("link", name="Mine")).to_have_count(0)

    sign_in(person, key)
    expect(person.page.get_by_role("link", name="Mine")).to_be_visible()
    expect(dialog).to_be_hidden()
    expect(person.page.locator(".who")).to_have_text("ada")
    assert person.page.evaluate("document.cookie") == "", "no script can read it"
    stored = person.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert key not in stored

    person.reload()
    expect(person.page.locator(".who")).to_have_text("ada")

    person.press("Sign out")
    expect(dialog).to_be_visible()
    assert person.context.cookies() == []


def test_the_page_writes_with_its_cookie_and_another_cannot(signed_in: SignedIn, locked: LockedService) -> None:
    person = signed_in(locked.key())
    person.page.get_by_role("link", name="Mine").click()
    person.page.get_by_role("button", name="Rename").click()
    box = person.page.locator("#topbar input")
    box.fill("Renamed")
    box.press("Enter")
    expect(person.page.get_by_role("link", name="Renamed")).to_be_visible()
    bare = "fetch('/v1/conversations/c', {method: 'DELETE'}).then(answer => answer.status)"
    assert person.page.evaluate(bare) == 403


def test_a_person_shares_a_conversation(signed_in: SignedIn, locked: LockedService) -> None:
    person = signed_in(locked.key())
    person.page.get_by_role("link", name="Mine").click()
    person.press("Share")
    dialog = person.page.get_by_role("dialog", name="Share")
    dialog.get_by_label("Share with").fill("bob")
    dialog.get_by_label("Role", exact=True).select_option("writer")
    dialog.get_by_role("button", name="Share", exact=True).click()
    expect(dialog.get_by_label("Role of acme/bob")).to_have_value("writer")

    bob = signed_in(locked.key("bob"))
    bob.page.get_by_role("link", name="Mine").click()
    expect(bob.title).to_have_text("Mine")
    expect(bob.page.get_by_role("button", name="Share", exact=True)).to_have_count(0)
    bob.press("Members")
    members = bob.page.get_by_role("dialog", name="Members")
    expect(members).to_contain_text("It belongs to acme/ada.")
    expect(members.locator("li")).to_contain_text(["acme/bobmay write"])
    dialog.get_by_label("Role of acme/bob").select_option("viewer")
    members.get_by_role("button", name="Close").click()
    expect(bob.page.locator(".read-only")).to_be_visible()

    dialog.get_by_label("Share with").fill("evil/eve")
    dialog.get_by_role("button", name="Share", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("of the owner's tenant")
    dialog.get_by_role("button", name="Stop sharing with acme/bob").click()
    expect(dialog.get_by_label("Role of acme/bob")).to_have_count(0)
    bob.reload()
    expect(bob.page.get_by_role("link", name="Mine")).to_have_count(0)

"""The account view: who one is, and one's API keys, made, shown once, and revoked."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.page.conftest import SignedIn
from tests.support.access_service import bearer
from tests.support.locked_service import LockedService

pytestmark = pytest.mark.browser


def test_a_person_makes_a_key_and_revokes_it(signed_in: SignedIn, locked: LockedService) -> None:
    key, other = locked.key(roles=frozenset({"user", "admin"}), label="my own"), locked.key("bob", label="of another")
    person = signed_in(key)
    person.context.grant_permissions(["clipboard-read", "clipboard-write"])
    person.press("Account of acme/ada")
    dialog = person.page.get_by_role("dialog", name="Account")
    expect(dialog).to_contain_text("acme/ada")
    expect(dialog).to_contain_text("admin of the tenant")
    rows = dialog.locator(".keys li")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("in use here")
    expect(dialog).not_to_contain_text("of another")

    dialog.get_by_label("New key for").fill("a script")
    dialog.get_by_label("It ends after").select_option("a year")
    dialog.get_by_label("answer questions and approvals").uncheck()
    dialog.get_by_role("button", name="Make a key").click()
    made = dialog.locator(".key-text").inner_text()
    headers = bearer(made)
    who = httpx.get(f"{locked.url}/v1/session", headers=headers).json()
    assert (who["principal"], who["scopes"]) == ("acme/ada", ["read", "write"])
    dialog.get_by_role("button", name="Copy the key").click()
    expect(dialog.locator(".new-key [href='#i-check']")).to_be_attached()
    assert person.page.evaluate("navigator.clipboard.readText()") == made
    row = rows.filter(has_text="a script")
    expect(row).to_contain_text("never used")
    expect(row).to_contain_text("ends on")

    dialog.get_by_role("button", name="Close").click()
    expect(person.page.locator(".key-text")).to_have_count(0)  # a dialog tells that it is closed a moment later
    assert made not in person.page.content()
    person.press("Account of acme/ada")
    expect(row).to_be_visible()
    expect(dialog.locator(".key-text")).to_have_count(0)
    dialog.get_by_role("button", name="Revoke a script").click()
    person.page.get_by_role("dialog", name="Revoke a script?").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(0)
    expect(rows).to_have_count(1)
    assert locked.do(lambda store: store.api_keys.get(made.split("_")[1])) is None
    assert httpx.get(f"{locked.url}/v1/session", headers=bearer(other)).status_code == 200

"""The page offers each member of a conversation what it may do; the others read whom a question waits for."""

import re

import pytest
from playwright.sync_api import expect

from tests.page.conftest import SignedIn
from tests.support.locked_service import LockedService
from tests.support.person import Person

pytestmark = pytest.mark.browser

OWNERS = ["Rename", "Delete", "Share"]


@pytest.fixture
def waiting(locked: LockedService) -> LockedService:
    """`c` waits for an approval, and has a member of each role."""
    for user, role in (("vera", "viewer"), ("will", "writer"), ("anna", "approver")):
        locked.share("c", user, role)
    locked.say("c", "announce: dinner is ready")
    return locked


def opened(person: Person) -> Person:
    person.page.get_by_role("link", name="Mine").click()
    expect(person.tool("announce").locator(".decision")).to_be_visible()
    return person


def offered(person: Person) -> set[str]:
    """Of all that people can do to a conversation, what this one is offered."""
    found = {name for name in OWNERS if person.page.get_by_role("button", name=name, exact=True).count()}
    if person.box.count():
        found.add("Message")
    for name in ("Stop", "Leave out", "Approve", "Reject…"):
        if person.page.get_by_role("button", name=name, exact=True).count():
            found.add(name)
    return found


def test_each_is_offered_what_it_may(waiting: LockedService, signed_in: SignedIn) -> None:
    owner, approver, writer, viewer = (opened(signed_in(waiting.key(user))) for user in ("ada", "anna", "will", "vera"))
    writing = {"Message", "Stop"}
    deciding = {"Approve", "Reject…"}
    assert offered(owner) == {*OWNERS, *writing, *deciding}
    assert offered(approver) == writing | deciding
    assert offered(writer) == writing
    assert offered(viewer) == set()

    expect(viewer.page.locator(".read-only")).to_have_text("You may read this conversation of acme/ada.")
    for person in (viewer, writer):
        card = person.tool("announce")
        question = card.get_by_role("group", name="announce waits for an approval")
        expect(question).to_contain_text("Waits for an approval by acme/ada, or a member who may decide.")
        expect(question).to_contain_text("dinner is ready")
        expect(question).to_contain_text("expires in 24 hours")
        expect(card.locator(".chip")).to_have_text("Waiting")
    expect(owner.tool("announce").locator(".chip")).to_have_text("Needs you")
    expect(viewer.page.get_by_role("link", name=re.compile("Mine ?, waits for a decision"))).to_be_visible()
    viewer.page.keyboard.press("Escape")  # it stops the turns of who may write
    expect(viewer.tool("announce").locator(".chip")).to_have_text("Waiting")


def test_the_buttons_are_for_the_persons_that_a_tool_names(locked: LockedService, signed_in: SignedIn) -> None:
    locked.create("bill", "A bill", agent="payer")
    asker, other = (locked.key(user, roles=frozenset({"user", "admin"})) for user in ("ada", "boss"))
    locked.share("bill", "boss", "approver")
    for key in (asker, other):
        person = signed_in(key)
        person.page.get_by_role("link", name="A bill").click()
        if key == asker:
            locked.say("bill", "pay it")
            asked = person.tool("pay").get_by_role("group", name="pay waits for an approval")
            expect(asked).to_contain_text(
                "Waits for an approval by an admin of acme, who is also another person than acme/ada."
            )
            expect(asked).to_contain_text('"amount": 7')
            assert "Approve" not in offered(person)
        else:
            expect(person.page.get_by_role("button", name="Approve", exact=True)).to_be_visible()


def test_a_key_that_only_reads_has_no_message_box(waiting: LockedService, signed_in: SignedIn) -> None:
    person = signed_in(waiting.key(scopes=frozenset({"read"})))
    expect(person.page.locator(".read-only")).to_contain_text("begin none")
    assert offered(opened(person)) == set()

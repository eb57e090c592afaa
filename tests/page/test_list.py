"""The list of conversations: searched, filtered, archived; and what happens elsewhere is there at once."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.page.conftest import SignedIn
from tests.support.locked_service import LockedService
from tests.support.person import Person

pytestmark = pytest.mark.browser


def titles(person: Person) -> Locator:
    return person.page.locator("a.conversation .title")


def test_the_list_is_searched_and_filtered(signed_in: SignedIn, locked: LockedService) -> None:
    locked.create("tea", "About tea")
    locked.create("coffee", "About coffee", channel="scheduled")
    locked.create("batch-b1-1", "A row of a batch", channel="batch")
    locked.say("coffee", "announce: coffee is ready")
    person = signed_in(locked.key())
    expect(titles(person)).to_have_text(["About coffee", "About tea", "Mine"])
    search = person.page.get_by_role("searchbox", name="Search conversations")
    search.fill("tea")
    expect(titles(person)).to_have_text(["About tea"])
    search.fill("nothing like it")
    expect(person.page.get_by_text("Nothing found.")).to_be_visible()
    search.fill("is ready")
    expect(titles(person)).to_have_text(["About coffee"])
    expect(person.page.locator(".found")).to_contain_text("coffee is ready")
    search.fill("")
    expect(titles(person)).to_have_count(3)

    person.press("Filter")
    channel = person.page.get_by_label("Channel")
    expect(channel).to_be_focused()
    channel.select_option("scheduled")
    expect(titles(person)).to_have_text(["About coffee"])
    channel.select_option("All channels")
    expect(titles(person)).to_have_count(4)
    channel.select_option("All but batches")
    person.page.get_by_label("State").select_option("At rest")
    expect(titles(person)).to_have_text(["About tea", "Mine"])
    person.page.get_by_label("State").select_option("Needs a person")
    expect(titles(person)).to_have_text(["About coffee"])


def test_what_happens_elsewhere_is_there_at_once(signed_in: SignedIn, locked: LockedService) -> None:
    ada, bob = signed_in(locked.key()), signed_in(locked.key("bob"))
    tab = Person(ada.context).go("/")
    expect(titles(tab)).to_have_text(["Mine"])
    locked.create("new", "From a program")
    for person in (ada, tab):
        expect(titles(person)).to_have_text(["From a program", "Mine"])
    locked.rename("new", "By another name")
    for person in (ada, tab):
        expect(titles(person)).to_have_text(["By another name", "Mine"])
    locked.say("c", "announce: dinner is ready")
    for person in (ada, tab):
        expect(titles(person)).to_have_text(["Mine", "By another name"])
        expect(person.page.locator("a.conversation[data-state=awaiting_input]")).to_have_text(re.compile("Mine"))

    expect(bob.page.get_by_text("No conversations yet.")).to_be_visible()
    locked.share("new", "bob", "viewer")
    expect(titles(bob)).to_have_text(["By another name"])
    bob.page.get_by_role("link", name="By another name").click()
    expect(bob.page.locator(".read-only")).to_be_visible()
    locked.share("new", "bob", "writer")
    expect(bob.box).to_be_visible()
    locked.unshare("new", "bob")
    expect(titles(bob)).to_have_count(0)
    expect(bob.page.get_by_role("alert")).to_contain_text("is not shared with you any more")

    tab.page.get_by_role("link", name="Mine").click()
    tab.press("More")
    tab.press("Archive")
    for person in (ada, tab):
        expect(titles(person)).to_have_text(["By another name"])
    ada.press("Filter")
    ada.page.get_by_label("Archived ones").check()
    expect(titles(ada)).to_have_text(["Mine"])
    tab.press("More")
    tab.press("Restore from the archive")
    expect(titles(ada)).to_have_count(0)
    expect(titles(tab)).to_have_text(["Mine", "By another name"])
    ada.page.get_by_label("Archived ones").uncheck()

    locked.delete("new")
    for person in (ada, tab):
        expect(titles(person)).to_have_text(["Mine"])


def test_tabs_share_one_connection_and_ask_for_nothing_while_nothing_happens(
    signed_in: SignedIn, locked: LockedService
) -> None:
    ada = signed_in(locked.key())
    expect(titles(ada)).to_have_text(["Mine"])
    tab = Person(ada.context)
    tab.expects_failed_requests = True
    tab.page.clock.install()
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url.removeprefix(locked.url)))
    tab.go("/")
    expect(titles(tab)).to_have_text(["Mine"])
    locked.rename("c", "Yours")
    expect(titles(tab)).to_have_text(["Yours"])
    assert "/v1/feed" not in asked, "the other tab follows it for both"
    asked.clear()
    tab.page.clock.run_for(600_000)
    locked.say("c", "What is 6*7?")
    locked.rename("c", "Mine again")
    expect(titles(tab)).to_have_text(["Mine again"])
    assert asked == []

    # The tab that follows it is closed, and the service does not let the other one: so that looks by itself.
    tab.page.route("**/v1/feed", lambda route: route.abort())
    ada.page.close()
    expect(tab.banner).to_contain_text("Connection lost")
    locked.create("new", "Unheard of")
    tab.page.clock.run_for(31_000)
    expect(titles(tab)).to_have_text(["Unheard of", "Mine again"])
    # It goes on from where the closed one was.
    locked.rename("new", "Heard of")
    tab.page.unroute("**/v1/feed")
    tab.page.clock.run_for(20_000)
    expect(titles(tab)).to_have_text(["Heard of", "Mine again"])
    expect(tab.banner).to_be_hidden()

"""The place for operators: the cluster at a glance with its plots, and which conversation lives where."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.page.conftest import SignedIn, Visit
from tests.support.locked_service import LockedService
from tests.support.person import Person

pytestmark = pytest.mark.browser

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PLOTS = 6


def test_an_operator_sees_what_turns_come_to_and_who_lives_where(person: Person, visit: Visit) -> None:
    person.say("hello")
    person.wait_until_idle()
    conversation_id = person.conversation_id
    page = person.page
    page.get_by_role("link", name="Cluster").click()
    expect(page.locator("#view-title")).to_have_text("The cluster at a glance")
    expect(page.locator(".plot")).to_have_count(PLOTS)
    nodes = page.get_by_role("table", name="Nodes")
    expect(nodes.locator("tbody tr")).to_have_count(1)
    expect(nodes).to_contain_text("head")
    expect(page.get_by_role("table", name="Shared hosts").locator("tbody tr").first).to_contain_text("answers")
    turns = page.get_by_role("img", name="Turns ended")
    expect(turns.locator("path").first).to_have_attribute("d", re.compile("^M"))
    expect(page.locator(".facts dd").first).to_contain_text("completed")

    page.get_by_role("link", name="Who lives where").click()
    place = page.get_by_role("link", name=conversation_id)
    expect(place).to_be_visible()
    expect(page.locator("section[data-key]", has=place).locator(".standing")).to_contain_text("working")
    place.click()
    expect(person.answers.first).to_be_visible()

    phone = visit(**PHONE).go("/#/cluster/overview")
    expect(phone.page.locator(".plot")).to_have_count(PLOTS)
    expect(phone.page.locator(".plot svg[role=img] path").first).to_be_attached()
    assert phone.page.evaluate(OVERFLOW) <= 0
    phone.go("/#/cluster/hosts")
    expect(phone.page.locator(".standing").first).to_be_visible()
    assert phone.page.evaluate(OVERFLOW) <= 0


def test_it_is_for_operators_alone(locked: LockedService, signed_in: SignedIn) -> None:
    admin = signed_in(locked.key(roles=frozenset({"user", "admin"})))
    expect(admin.page.get_by_role("link", name="Cluster")).to_have_count(0)
    admin.go("/#/cluster/overview")
    expect(admin.page.locator("#view-title")).to_have_text("Nothing is here")
    operator = signed_in(locked.key("olga", tenant="ops", roles=frozenset({"operator"})))
    expect(operator.page.get_by_role("link", name="Cluster")).to_be_visible()

"""What the page's tests share: one headless Chromium, and people who open the page of a running service in it."""

import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.locked_service import LockedService
from tests.support.person import Person
from tests.support.service import otlp_server, service, service_url, stand_in

__all__ = ["otlp_server", "service", "service_url", "stand_in"]

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.evil.example 127.0.0.1",  # names that an attacker can make lead here
)

Visit = Callable[..., Person]
SignedIn = Callable[..., Person]


# Playwright keeps a loop in this thread until the session ends, so no tests of other folders may run after these.
@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on this machine")
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visit_at(browser: Browser) -> Iterator[Visit]:
    """Opens the page of the service at an address as a new person, who has signed in if there is a `key`.

    No person's console may hold an error at the end.
    """
    people: list[Person] = []

    def opened(url: str, *, key: str | None = None, **options: Any) -> Person:
        person = Person(browser.new_context(**{"base_url": url, "color_scheme": "light"} | options))
        people.append(person)
        if key is not None:
            person.sign_in(key)
        return person.go("/")

    yield opened
    for person in people:
        person.context.close()
    assert [error for person in people for error in person.console_errors] == []


@pytest.fixture
def visit(visit_at: Visit, service_url: str) -> Visit:
    """Opens the page of the run's service as a new person."""
    return partial(visit_at, service_url)


@pytest.fixture
def person(visit: Visit) -> Person:
    """A person with the page open and no conversation begun."""
    return visit()


@pytest.fixture
def locked(redis_url: str, redis_prefix: str) -> Iterator[LockedService]:
    """A service that asks for keys, with a conversation `c` of Ada's."""
    service = LockedService(redis_url, redis_prefix)
    service.start()
    service.create("c", "Mine")
    yield service
    service.stop()


@pytest.fixture
def signed_in(visit_at: Visit, locked: LockedService) -> SignedIn:
    """Opens the page of the locked service as the person that has this key."""

    def opened(key: str, **options: Any) -> Person:
        person = visit_at(locked.url, key=key, **options)
        person.expects_failed_requests = True
        expect(person.page.locator(".who")).to_be_visible()
        return person

    return opened


@pytest.fixture
def modules(service_url: str) -> str:
    """The path of the page's modules: a test imports from there, so that it gets what the page itself runs."""
    found = re.search(r'src="(/static/[^"]+/)app\.js"', httpx.get(f"{service_url}/").text)
    assert found is not None
    return found[1]

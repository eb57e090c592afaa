"""What the page must never do: run code in a message, load from other origins, or have headers that allow either."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.person import Person

pytestmark = pytest.mark.browser

ATTACK = (
    "**bold** <img src=x onerror=document.title='pwned'> <script>document.title='pwned'</script> "
    "[click](javascript:document.title='pwned') ![pixel](https://example.com/pixel.png)"
)


def test_markup_in_an_answer_is_inert(person: Person) -> None:
    foreign: list[str] = []
    person.page.on("request", lambda request: foreign.append(request.url) if "example.com" in request.url else None)
    person.say(ATTACK)
    person.wait_until_idle()
    answer = person.answers.last
    expect(answer.locator("strong")).to_have_text("bold")
    expect(answer.locator("img, script, [onerror], a[href^='javascript']")).to_have_count(0)
    expect(person.questions.last).to_have_text(ATTACK)
    expect(person.questions.last.locator("*")).to_have_count(0)
    assert "pwned" not in person.page.title()[:5]
    assert foreign == []


def test_the_page_trusts_only_its_own_origin(service_url: str) -> None:
    response = httpx.get(f"{service_url}/")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert re.search(r"<script(?![^>]*\bsrc=)", response.text) is None
    assert re.search(r"<style|\sstyle=|\son[a-z]+=", response.text) is None


def test_the_page_is_revalidated_and_its_parts_are_kept_for_ever(service_url: str) -> None:
    page = httpx.get(f"{service_url}/")
    again = httpx.get(f"{service_url}/", headers={"If-None-Match": page.headers["ETag"]})
    assert (page.headers["Cache-Control"], again.status_code) == ("no-cache", 304)
    found = re.search(r'src="(/static/[^"]+/app\.js)"', page.text)
    assert found is not None
    part = httpx.get(f"{service_url}{found[1]}")
    assert part.headers["Content-Type"].startswith("text/javascript")
    assert "immutable" in part.headers["Cache-Control"]


@pytest.mark.parametrize("name", ["%2e%2e/%2e%2e/routes.py", "nothing.js", ""])
def test_only_the_static_files_are_served(service_url: str, name: str) -> None:
    assert httpx.get(f"{service_url}/static/current/{name}").status_code == 404

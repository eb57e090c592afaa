"""Another website in the same browser: it can neither read the service, nor write to it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

ASKS = """async (url) => {
    const tried = {};
    for (const [name, options] of Object.entries({
        read: {},
        write: { method: "POST", headers: { "content-type": "application/json" }, body: "{}" },
        blind: { method: "POST", mode: "no-cors" },
    })) {
        try {
            const response = await fetch(url, options);
            tried[name] = response.type === "opaque" ? "sent" : response.status;
        } catch (error) {
            tried[name] = "refused";
        }
    }
    return tried;
}"""


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A game</title>")

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Nobody reads this site's log."""


@pytest.fixture
def site() -> Iterator[str]:
    """The address of an attacker's website, on this machine."""
    server = HTTPServer(("127.0.0.1", 0), _Site)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield f"http://game.evil.example:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.fixture
def stranger(browser: Browser) -> Iterator[Page]:
    """A page of the attacker's."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def waiting(service_url: str) -> Iterator[str]:
    """A conversation that waits for an approval."""
    with httpx.Client(base_url=service_url, timeout=60) as http:
        conversation_id: str = http.post("/v1/conversations", json={}).json()["id"]
        address = f"/v1/conversations/{conversation_id}"
        with http.stream(
            "POST", f"{address}/messages", json={"text": "announce: hello"}, headers={"Accept": "text/event-stream"}
        ) as turn:
            assert "event: suspended" in turn.iter_lines()
        yield conversation_id
        http.delete(address)


def test_a_name_that_leads_here_gets_nothing(stranger: Page, service_url: str, waiting: str) -> None:
    port = urlsplit(service_url).port
    response = stranger.goto(f"http://rebound.evil.example:{port}/")
    assert response is not None
    assert response.status == 403
    tried = stranger.evaluate(ASKS, f"/v1/conversations/{waiting}/cancel")
    assert tried == {"read": 403, "write": 403, "blind": 403}
    assert _state(service_url, waiting) == "awaiting_input"


def test_a_page_of_another_site_changes_nothing(stranger: Page, service_url: str, waiting: str, site: str) -> None:
    stranger.goto(site)
    tried = stranger.evaluate(ASKS, f"{service_url}/v1/conversations/{waiting}/cancel")
    assert tried == {"read": "refused", "write": "refused", "blind": "sent"}
    assert _state(service_url, waiting) == "awaiting_input"


def _state(service_url: str, conversation_id: str) -> str:
    state: str = httpx.get(f"{service_url}/v1/conversations/{conversation_id}").json()["state"]
    return state

"""A person at a browser: what the tests can do to the page, and what they can see of it."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Route, expect

READ_ROWS = """nodes => nodes.map(node => [node.dataset.key, node.innerText.replace(/\\s+/g, ' ').trim()])"""


class Person:
    """One tab in one browser profile; `console_errors` are the errors in its console."""

    def __init__(self, context: BrowserContext, page: Page | None = None) -> None:
        self.context = context
        self.page = page or context.new_page()
        self.console_errors: list[str] = []
        self.expects_failed_requests = False
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.console_errors.append(str(error)))

    def _note_console(self, message: ConsoleMessage) -> None:
        # A browser reports every request that fails; a test that cuts the connection expects that.
        if message.type == "error" and not (self.expects_failed_requests and "Failed to load" in message.text):
            self.console_errors.append(message.text)

    def go(self, path: str) -> Person:
        self.page.goto(path)
        return self

    def sign_in(self, key: str) -> None:
        """Sign in as the page does; it need not be open yet."""
        sent = self.context.request.post("/v1/session", data={"key": key}, headers={"X-Raylogue-Page": "1"})
        assert sent.ok, sent.text()

    @property
    def conversation_id(self) -> str:
        """The conversation that is open."""
        return self.page.url.partition("#/c/")[2]

    def another_tab(self) -> Person:
        """The same profile with the same conversation in a second tab."""
        return Person(self.context).go(self.page.url)

    def choose(self, agent: str) -> None:
        """Begin with this agent instead of the default one."""
        named = re.compile(rf"^{re.escape(agent)}\b")  # what follows the name says what the agent is for
        self.page.get_by_role("group", name="Agent").get_by_role("radio", name=named).check()

    def ask(self, agent: str, text: str) -> None:
        """Begin a conversation with this agent and this message."""
        self.choose(agent)
        self.say(text)

    def reload(self) -> None:
        self.page.reload()

    def say(self, text: str) -> None:
        self.box.fill(text)
        self.box.press("Enter")
        expect(self.page.locator(".user", has_text=text).last).to_be_visible()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    @property
    def box(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message", exact=True)

    @property
    def answers(self) -> Locator:
        return self.page.locator(".assistant .prose")

    @property
    def questions(self) -> Locator:
        return self.page.locator(".user .bubble")

    @property
    def title(self) -> Locator:
        return self.page.locator("#topbar h1")

    @property
    def banner(self) -> Locator:
        return self.page.locator("#banner")

    @property
    def files(self) -> Locator:
        """The panel of the conversation's files."""
        return self.page.get_by_role("complementary", name="Files")

    def tool(self, name: str) -> Locator:
        return self.page.locator(".tool", has=self.page.locator(".tool-name", has_text=name))

    def rows(self) -> list[tuple[str, str]]:
        """Every row on the screen: its key and its text."""
        found: list[Any] = self.page.locator(".row").evaluate_all(READ_ROWS)
        return [(key, text) for key, text in found]

    def wait_until_idle(self) -> None:
        """Wait until the turn has ended: nothing can be stopped, nothing streams, no message is on its way."""
        expect(self.page.get_by_role("button", name="Stop", exact=True)).to_be_hidden()
        expect(self.page.locator(".row.streaming, .row.working, .user:not([data-delivery=logged])")).to_have_count(0)

    def lose_network(self) -> None:
        self.expects_failed_requests = True
        self.context.set_offline(True)

    def regain_network(self) -> None:
        self.context.set_offline(False)

    def block(self, pattern: str) -> None:
        """Requests to addresses like `pattern` fail, until `unblock`."""
        self.expects_failed_requests = True
        self.page.route(pattern, _refuse)

    def unblock(self, pattern: str) -> None:
        self.page.unroute(pattern)


def _refuse(route: Route) -> None:
    route.abort("connectionrefused")

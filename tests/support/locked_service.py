"""A service that asks for keys, in a thread beside the browser; without Ray, so the test runs its conversations."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from agents.agent import Agent, Catalog
from agents.clock import now_ms
from agents.context import AgentContext
from agents.local import LocalConversations
from agents.models import Call, ScriptedModel, Step
from agents.tools import tool
from agents.turn.inputs import UserMessage
from deployments.feed.consumers.people import People
from deployments.feed.engine import FeedEngine
from deployments.process.agents import catalog
from deployments.settings import Settings
from deployments.work.job_modules import import_jobs
from store import Store, connect
from tests.support.access_service import make_key, serving

PATIENCE = 60.0


@tool(approval="required", approvers=("admin", "another"))
def pay(amount: int) -> str:
    """Pay a bill."""
    return f"{amount} paid"


PAYER = Agent(
    name="payer", model=ScriptedModel([Step(calls=[Call("pay", {"amount": 7})]), Step("Paid.")]), tools=(pay,)
)
"""Its tool waits for an admin who has not asked for it."""

T = TypeVar("T")


class LockedService:
    """People and conversations of the tenant `acme`. Its methods are for the thread of the test."""

    def __init__(self, redis_url: str, prefix: str) -> None:
        self.url = ""
        self._directory = TemporaryDirectory(prefix="raylogue-test-")
        self.data_dir = Path(self._directory.name)
        self._settings = Settings(auth="keys", redis_url=redis_url, prefix=prefix, data_dir=self.data_dir)
        self._prefix = prefix
        self._started, self._end = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(PATIENCE), "the service did not start"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(PATIENCE)
        self._directory.cleanup()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._store = connect(self._settings.redis_url, prefix=self._prefix)
        import_jobs(self._settings)
        known = catalog(self._settings)
        self._conversations = LocalConversations(
            self._store, Catalog({**known.agents, PAYER.name: PAYER}, known.default)
        )
        try:
            async with serving(self._store, self._settings) as http, self._feed():
                self.url = str(http.base_url)
                self._started.set()
                await self._end.wait()
        finally:
            await self._conversations.aclose()
            await self._store.aclose()

    @asynccontextmanager
    async def _feed(self) -> AsyncIterator[None]:
        """People are told what happens, as by a replica of the ingress."""
        engine = FeedEngine(self._store, [People(self._store)], group_days=1, max_entries=1000)
        await engine.register()
        running = asyncio.create_task(engine.run())
        yield
        running.cancel()
        await asyncio.wait({running})

    def do(self, action: Callable[[Store], Awaitable[T]]) -> T:
        """What `action` comes to, in the loop of the service."""

        async def act() -> T:
            return await action(self._store)

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(PATIENCE)

    def key(self, user: str = "ada", **wanted: Any) -> str:
        """The text of a new API key."""
        return self.do(lambda store: make_key(store, user, **wanted))

    def create(
        self, name: str, title: str, owner: str = "acme/ada", channel: str = "web", agent: str = "assistant"
    ) -> None:
        fields = {"agent": agent, "principal": owner, "title": title, "channel": channel}
        self.do(lambda store: store.registry.create(name, now=now_ms(), **fields))

    def share(self, name: str, user: str, role: str) -> None:
        self.do(lambda store: store.members.set(name, f"acme/{user}", role, now_ms()))

    def unshare(self, name: str, user: str) -> None:
        self.do(lambda store: store.members.remove(name, f"acme/{user}", now_ms()))

    def rename(self, name: str, title: str) -> None:
        self.do(lambda store: store.registry.rename(name, title, now_ms()))

    def delete(self, name: str) -> None:
        self.do(lambda store: store.registry.delete(name))

    def say(self, name: str, words: str, principal: str = "acme/ada") -> None:
        """Send a message, and wait until the conversation is at rest."""

        async def act(_: Store) -> None:
            message = UserMessage(content=[{"type": "text", "text": words}], on_busy="reject", principal=principal)
            await self._conversations.send(name, message, AgentContext(tenant="acme", principal=principal))
            await (await self._conversations.reach(name)).rest()

        self.do(act)

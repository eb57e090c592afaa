"""The consumer in docs/feed.md is one file: dropped in, it is found, and its effect happens once for each entry."""

import asyncio
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from agents.agent import Catalog
from deployments.feed import consumers
from deployments.feed.consumer import FeedServices, make_consumers
from deployments.settings import Settings
from deployments.work.client import JobClient
from deployments.work.queues import Queues
from store import Store
from tests.support.conversation_workbench import worker
from tests.support.feed import Ledger, ended, running
from tests.support.writer import Writer

PAGE = Path(__file__).parents[3] / "docs/feed.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class OtherSystem(BaseHTTPRequestHandler):
    """Drops what it gets twice, and is away at the first request."""

    requests = 0
    keys: ClassVar[dict[str, bytes]] = {}

    def do_POST(self) -> None:
        OtherSystem.requests += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_away = OtherSystem.requests == 1
        if not is_away:
            OtherSystem.keys.setdefault(self.headers["Idempotency-Key"], body)
        self.send_response(503 if is_away else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def other_system() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), OtherSystem)
    serving = Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


async def test_the_consumer_on_the_page_works(
    store: Store, other_system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer, states = BLOCK.findall(PAGE.read_text())
    assert "http://127.0.0.1:9000" in consumer
    (tmp_path / "ended_turns.py").write_text(consumer.replace("http://127.0.0.1:9000", other_system))
    monkeypatch.setattr(consumers, "__path__", [str(tmp_path)])
    [made] = make_consumers(FeedServices(Settings(), store, Catalog([worker()]), JobClient(store, Queues(Settings()))))
    assert made.name == "ended_turns"
    other = Ledger()
    async with running(store, made, other):
        writer = await Writer.new(store, "c")
        for turn in (1, 2):
            await writer.append(b"x", feed=[ended(turn)])
        async with asyncio.timeout(20):
            while len(OtherSystem.keys) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await other.until_heard("c", [1, 2])
    assert OtherSystem.requests >= 3
    shown: list[tuple[object, ...]] = []
    scope: dict[str, object] = {"store": store, "print": lambda *values: shown.append(values)}
    exec("async def show():\n" + "".join(f"    {line}\n" for line in states.splitlines()), scope)
    await scope["show"]()  # type: ignore[operator]
    assert [name for name, *_ in shown] == ["ended_turns", "ledger"]

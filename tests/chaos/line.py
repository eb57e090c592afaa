"""The line between the system and its Redis: a proxy on a thread of its own, which a fault can cut or deafen."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import psutil

from tests.servers.proxy import Proxy


class Line:
    """A `Proxy` for the time of the block; its methods may be called from any thread."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._proxy = Proxy(port)
        self._barred: list[psutil.Process] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="line to Redis")

    @property
    def url(self) -> str:
        """Where the system finds its Redis."""
        return self._proxy.url

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._proxy.__aenter__(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._proxy.__aexit__(None, None, None), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Close every connection; new ones are let through."""
        self._do(self._proxy.cut)

    def cut_some(self, seed: float) -> None:
        """Close each connection or spare it, by the toss of a coin; new ones are let through."""
        dice = random.Random(seed)
        self._do(lambda: self._proxy.cut(lambda port: dice.random() < 0.5))

    def cut_off(self, process: psutil.Process) -> None:
        """Close the connections of that process, and let none of its new ones through."""

        def bar() -> None:
            self._barred.append(process)
            self._proxy.is_refused = self._bars
            self._proxy.cut(self._bars)

        self._do(bar)

    def let_in(self, process: psutil.Process) -> None:
        """Let the process connect again."""
        self._do(lambda: self._barred.remove(process))

    def refuse(self, refusing: bool) -> None:
        """Refuse new connections, or let them through again."""
        self._do(lambda: setattr(self._proxy, "refusing", refusing))

    def lose_answer_to(self, word: bytes) -> None:
        """The next request with this word reaches Redis, its answer nobody."""
        self._do(lambda: self._proxy.lose_answer_to(word))

    def _bars(self, port: int) -> bool:
        return any(port in _ports(process) for process in self._barred)

    def _do(self, what: Callable[[], object]) -> None:
        """Return when it is done."""

        async def do() -> None:
            what()

        asyncio.run_coroutine_threadsafe(do(), self._loop).result()


def _ports(process: psutil.Process) -> set[int]:
    with contextlib.suppress(psutil.Error):
        return {connection.laddr.port for connection in process.net_connections("tcp") if connection.laddr}
    return set()

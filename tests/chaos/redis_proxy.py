"""The proxy between the system and its Redis, on a thread of its own: faults close connections or lose answers here."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import psutil

from tests.servers.proxy import Proxy


class RedisProxy:
    """A `Proxy` for the time of the block; its methods can be called from any thread."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._proxy = Proxy(port)
        self._isolated: list[psutil.Process] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="Redis proxy")

    @property
    def url(self) -> str:
        """The address that the system uses for its Redis."""
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

    def close_connections(self) -> None:
        """Close every connection; new ones are accepted."""
        self._call(self._proxy.cut)

    def close_some_connections(self, seed: float) -> None:
        """Close about half of the connections, at random; new ones are accepted."""
        rng = random.Random(seed)
        self._call(lambda: self._proxy.cut(lambda port: rng.random() < 0.5))

    def isolate(self, process: psutil.Process) -> None:
        """Close the connections of a process, and refuse its new ones."""

        def isolate_now() -> None:
            self._isolated.append(process)
            self._proxy.is_refused = self._is_isolated
            self._proxy.cut(self._is_isolated)

        self._call(isolate_now)

    def readmit(self, process: psutil.Process) -> None:
        """Accept connections of an isolated process again."""
        self._call(lambda: self._isolated.remove(process))

    def set_refusing(self, refusing: bool) -> None:
        """Refuse new connections, or accept them again."""
        self._call(lambda: setattr(self._proxy, "refusing", refusing))

    def lose_answer_to(self, word: bytes) -> None:
        """Lose the answer to the next request with this word; the request reaches Redis."""
        self._call(lambda: self._proxy.lose_answer_to(word))

    def _is_isolated(self, port: int) -> bool:
        return any(port in _ports(process) for process in self._isolated)

    def _call(self, function: Callable[[], object]) -> None:
        """Call a function on the proxy's thread, and wait for it."""

        async def do() -> None:
            function()

        asyncio.run_coroutine_threadsafe(do(), self._loop).result()


def _ports(process: psutil.Process) -> set[int]:
    with contextlib.suppress(psutil.Error):
        return {connection.laddr.port for connection in process.net_connections("tcp") if connection.laddr}
    return set()

"""A TCP proxy between a client and a server that loses answers and connections on demand."""

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Proxy:
    """Forwards bytes to `port` of this machine until told to misbehave; use as an async context manager."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.StreamWriter, asyncio.StreamWriter] = {}
        self._copying: set[asyncio.Task[None]] = set()
        self._losing_after: bytes | None = None
        self._losing: set[asyncio.StreamWriter] = set()
        self.lost_answers = 0
        self.refusing = False
        """Whether new connections are closed at once."""
        self.is_refused: Callable[[int], bool] = lambda port: False
        """Whether a new connection from that port is closed at once."""

    @property
    def url(self) -> str:
        """Where clients connect."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"redis://127.0.0.1:{port}/0"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._copying, return_exceptions=True)

    def move(self, port: int) -> None:
        """Lead new connections to another port; open ones stay connected."""
        self._upstream = port

    def cut(self, chosen: Callable[[int], bool] = lambda port: True) -> None:
        """Close the open connections, or only those from the ports that are chosen."""
        for client, server in self._connections.items():
            if chosen(_port(client)):
                client.close()
                server.close()

    def lose_answer_to(self, word: bytes) -> None:
        """Let the next request with `word` in it through, swallow its answer and hang up."""
        self._losing_after = word

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing or self.is_refused(_port(writer)):
            writer.close()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.close()
            return
        self._connections[writer] = server_writer
        for copy in (self._requests(reader, writer), self._answers(server_reader, writer)):
            task = asyncio.create_task(copy)
            self._copying.add(task)
            task.add_done_callback(self._copying.discard)

    async def _requests(self, requests: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        server = self._connections[client]
        with contextlib.suppress(OSError):
            while data := await requests.read(65536):
                if self._losing_after and self._losing_after in data:
                    self._losing_after = None
                    self._losing.add(client)
                server.write(data)
        server.close()

    async def _answers(self, answers: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await answers.read(65536):
                if client in self._losing:
                    self.lost_answers += 1
                    break
                client.write(data)
        self._losing.discard(client)
        self._connections.pop(client).close()
        client.close()


def _port(client: asyncio.StreamWriter) -> int:
    return int(client.get_extra_info("peername")[1])

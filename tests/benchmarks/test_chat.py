"""The load client repeats a request whose keep-alive connection was closed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from benchmarks.chat import HEAD_END, BrokenTurn, ChatClient
from benchmarks.services import MeasuredService
from benchmarks.subjects import KINDS, Subject
from tests.support.older_code import UnusableCommit, code_of_commit

ANSWER = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2f\r\nevent: text_delta\n\nevent: turn_completed\ndata: {}\n\n\r\n0\r\n\r\n"
)


class ClosingServer:
    """Answers `answers` requests on a connection, and closes it at the next one without an answer."""

    def __init__(self) -> None:
        self.answers = 1
        self.connections = 0
        self.heads: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        for _ in range(self.answers):
            head = await reader.readuntil(HEAD_END)
            self.heads.append(head)
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            writer.write(ANSWER)
        await reader.readuntil(HEAD_END)
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[tuple[ClosingServer, ChatClient]]:
    closing = ClosingServer()
    async with await asyncio.start_server(closing.serve, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        chat = ChatClient(Subject(KINDS["plain"], MeasuredService(url, "", ())), "01")
        yield closing, chat
        await chat.aclose()


async def test_a_request_on_a_kept_connection_that_closes_is_sent_again(
    server: tuple[ClosingServer, ChatClient],
) -> None:
    closing, chat = server
    for _ in range(3):
        await chat.turn()
    assert closing.connections == 3


async def test_a_new_connection_that_closes_is_an_error(server: tuple[ClosingServer, ChatClient]) -> None:
    closing, chat = server
    closing.answers = 0
    with pytest.raises(BrokenTurn):
        await chat.turn()
    assert closing.connections == 1


async def test_where_a_key_is_needed_each_request_has_it() -> None:
    closing = ClosingServer()
    async with await asyncio.start_server(closing.serve, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        chat = ChatClient(Subject(KINDS["keys"], MeasuredService(url, "", (), key="rl_1")), "01")
        await chat.turn()
        await chat.aclose()
    assert [b"\r\nAuthorization: Bearer rl_1\r\n" in head for head in closing.heads] == [True]


def test_the_code_of_a_commit_is_a_folder_of_its_own() -> None:
    with code_of_commit("HEAD") as folder:
        assert (folder / "benchmarks" / "agents.py").exists()
    assert not folder.exists()
    with pytest.raises(UnusableCommit), code_of_commit("no-such-commit"):
        pass

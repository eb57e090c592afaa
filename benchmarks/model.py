"""The model of the benchmark, which uses very little CPU time: `python -m benchmarks.model 9000`.

It speaks the Messages API's wire format and answers every request with the same tokens: all at once, or one token
every `PACE_SECONDS` if the message asks for it. HTTP is read and written by hand, because CPU time of the model is
missing to the servers.
"""

import asyncio
import sys
from functools import partial
from typing import cast

import uvloop

from tests.messages_api.reply import tokens_reply
from tests.messages_api.wire import frames, usage_of

TOKENS = 50
PACE_SECONDS = 0.02
PACED = "Please take your time."
"""A message with this text is answered at a steady pace."""

MODEL = "claude-sonnet-4-5"
HEAD_END = b"\r\n\r\n"
HEALTHY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
STREAMING = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nrequest-id: req_1\r\nTransfer-Encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _answer_pieces() -> list[bytes]:
    """The answer in pieces: everything before the first token, each token, everything after the last."""
    reply = tokens_reply(TOKENS)
    before, tokens, after = bytearray(), list[bytes](), bytearray()
    for frame in frames(reply, 1, MODEL, usage_of(reply)):
        if frame.is_delta:
            tokens.append(_chunk(frame.data))
        elif tokens:
            after += _chunk(frame.data)
        else:
            before += _chunk(frame.data)
    return [STREAMING + bytes(before), *tokens, bytes(after) + LAST_CHUNK]


ANSWER_PIECES = _answer_pieces()
ANSWER = b"".join(ANSWER_PIECES)


class ModelConnection(asyncio.Protocol):
    """One keep-alive connection, with one request after another."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, _ = self._received.partition(HEAD_END)
        if not found:
            return
        length = _content_length(bytes(head))
        begin = len(head) + len(HEAD_END)
        if len(self._received) < begin + length:
            return
        body = bytes(self._received[begin : begin + length])
        del self._received[: begin + length]
        self._answer(body)

    def _answer(self, body: bytes) -> None:
        if not body:
            self._write(HEALTHY)
        elif _is_paced(body):
            self._write(ANSWER_PIECES[0])
            asyncio.get_running_loop().call_later(PACE_SECONDS, partial(self._next_token, 1))
        else:
            self._write(ANSWER)

    def _next_token(self, number: int) -> None:
        self._write(ANSWER_PIECES[number])
        if number == TOKENS:
            self._write(ANSWER_PIECES[-1])
        elif self._transport is not None:
            asyncio.get_running_loop().call_later(PACE_SECONDS, partial(self._next_token, number + 1))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _is_paced(body: bytes) -> bool:
    """Whether the newest user message, after the last answer, asks for a steady pace."""
    return body.rfind(PACED.encode()) > body.rfind(b'"assistant"')


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(ModelConnection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        uvloop.run(_serve(int(sys.argv[1])))
    except KeyboardInterrupt:
        print("stopped")

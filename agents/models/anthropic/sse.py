"""Reads server-sent events from bytes as they arrive, wherever the chunks are cut."""

from collections.abc import Iterator
from typing import NamedTuple

MAX_LINE = 8 * 1024 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LineTooLongError(ValueError):
    """A line of the stream is longer than MAX_LINE: it is no event stream."""


class ServerSentEvent(NamedTuple):
    """One event; several `data` lines are joined with a line feed."""

    name: str
    data: bytes


class SseReader:
    """Takes chunks and gives the events that they complete; an incomplete event at the end is discarded."""

    __slots__ = ("_after_return", "_data", "_name", "_rest", "_started")

    def __init__(self) -> None:
        self._rest = b""
        self._after_return = False
        self._started = False
        self._name = ""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        for line in self._lines(chunk):
            if line:
                self._field(line)
            elif self._data:
                yield ServerSentEvent(self._name, b"\n".join(self._data))
                self._reset()
            else:
                self._reset()

    def _lines(self, chunk: bytes) -> list[bytes]:
        if not chunk:
            return []
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]  # the second half of a CRLF across two chunks
        self._after_return = chunk.endswith(b"\r")
        buffer = self._without_mark(self._rest + chunk)
        lines = buffer.splitlines()
        complete = buffer.endswith((b"\n", b"\r"))
        self._rest = b"" if complete or not lines else lines.pop()
        if len(self._rest) > MAX_LINE:
            raise LineTooLongError(len(self._rest))
        return lines

    def _without_mark(self, buffer: bytes) -> bytes:
        if self._started or len(buffer) < len(BYTE_ORDER_MARK):
            return buffer
        self._started = True
        return buffer.removeprefix(BYTE_ORDER_MARK)

    def _field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode(errors="replace")

    def _reset(self) -> None:
        self._name = ""
        self._data = []

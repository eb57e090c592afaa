"""Opens a file of rows as a stream of bytes: a path or any URL that fsspec understands, plain or compressed."""

import bz2
import gzip
import io
import lzma
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, BinaryIO, Final, cast

BUFFER_BYTES: Final = 1 << 18
MAX_SPOOLED_BYTES: Final = 8 << 30
"""Of a file that must be read at many places, and cannot: so much of it is put on the disk meanwhile."""


class RowsUnreadable(Exception):
    """A file of rows cannot be read, or not beyond row `after`. The sentence is shown to people."""

    def __init__(self, reason: str, after: int = 0) -> None:
        super().__init__(reason, after)
        self.reason = reason
        self.after = after

    def __str__(self) -> str:
        return f"{self.reason} (after row {self.after})" if self.after else self.reason


def _open_by_arrow(codec: str) -> Callable[[BinaryIO], Any]:
    # By name, and then: pyarrow takes a fifth of a second and 50 MB, and most processes never read such a file.
    return lambda file: import_module("pyarrow").CompressedInputStream(file, codec)


COMPRESSIONS: Final[Mapping[bytes, Callable[[BinaryIO], Any]]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file, mode="rb"),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": _open_by_arrow("zstd"),
    b"\x04\x22\x4d\x18": _open_by_arrow("lz4"),
}
"""How a file is opened, by its first bytes: names of files and headers of servers are often wrong."""

ZIP: Final = b"PK\x03\x04"


class _Raw(io.RawIOBase):
    """Gives any object with `read` the interface that `io.BufferedReader` wants."""

    def __init__(self, file: Any) -> None:  # noqa: ANN401 - drivers' files have no common type
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        found: bytes = self._file.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


@contextmanager
def open_source(url: str, options: Mapping[str, Any] | None = None) -> Iterator["io.BufferedReader[Any]"]:
    """The file's bytes, decompressed if need be; `options` are those of the driver of fsspec.

    Raises RowsUnreadable if it cannot be opened; reading raises whatever the driver raises.
    """
    try:
        opened = import_module("fsspec").open(url, "rb", **(options or {})).open()
    except Exception as error:  # drivers raise whatever their services do
        raise RowsUnreadable(f"{url} cannot be opened: {describe(error)}") from error
    with opened, decompress(opened) as stream:
        yield stream


@contextmanager
def decompress(file: Any) -> Iterator["io.BufferedReader[Any]"]:  # noqa: ANN401 - drivers' files have no common type
    """A stream of the file's bytes, decompressed if its first bytes say that it is compressed."""
    outer = io.BufferedReader(_Raw(file), BUFFER_BYTES)
    try:
        head = outer.peek(8)
    except Exception as error:
        raise RowsUnreadable(f"it cannot be read: {describe(error)}") from error
    if head.startswith(ZIP):
        raise RowsUnreadable("it is a zip archive: compress the file itself, such as with gzip or zstd")
    for magic, open_stream in COMPRESSIONS.items():
        if head.startswith(magic):
            with open_stream(cast("BinaryIO", outer)) as inner:
                yield io.BufferedReader(_Raw(inner), BUFFER_BYTES)
            return
    yield outer


@contextmanager
def spool(stream: "io.BufferedReader[Any]") -> Iterator[BinaryIO]:
    """The rest of the stream as a file on the disk, for readers that jump about. Raises RowsUnreadable."""
    with tempfile.TemporaryFile() as file:
        try:
            while chunk := stream.read(BUFFER_BYTES):
                file.write(chunk)
                if file.tell() > MAX_SPOOLED_BYTES:
                    break
        except Exception as error:
            raise RowsUnreadable(f"it cannot be read: {describe(error)}") from error
        if file.tell() > MAX_SPOOLED_BYTES:
            raise RowsUnreadable("it is too large to be put on the disk while it is read")
        file.seek(0)
        yield cast("BinaryIO", file)


def describe(error: Exception) -> str:
    """The error of a driver or a codec in one line."""
    words = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__

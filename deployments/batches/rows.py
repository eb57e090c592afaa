"""Reads rows from a file, one after another with a bounded buffer: JSON Lines or Parquet, plain or compressed."""

import base64
import codecs
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from itertools import islice
from typing import Any, Final

import orjson

from deployments.batches.source_file import RowsUnreadable, describe, open_source, spool

MAX_ROW_BYTES: Final = 1 << 20
PARQUET: Final = b"PAR1"
PARQUET_ROWS: Final = 256
"""Rows of Parquet that are decoded together."""
MAX_PARQUET_CHUNK_BYTES: Final = 1 << 16
OTHER_ENCODINGS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be used, of plain JSON. `number` counts from 1: the line of JSON Lines, the row of Parquet."""

    number: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used; `problem` is the end of a sentence."""

    number: int
    problem: str


def read_rows(
    url: str, *, after: int = 0, options: Mapping[str, Any] | None = None, max_row_bytes: int = MAX_ROW_BYTES
) -> Iterator[Row | BadRow]:
    """The rows behind row `after`, in their order: of a path, or any URL that fsspec understands (with `options`).

    What the file is, its first bytes say. Lines are UTF-8, with or without a byte order mark, and end in LF or CRLF;
    empty ones are no rows, but count. It blocks, so a coroutine runs it in a thread. Raises RowsUnreadable, also in the
    middle: for a file that ends too early or is damaged as a whole.
    """
    with open_source(url, options) as stream:
        yield from read_stream(stream, after=after, max_row_bytes=max_row_bytes)


def read_stream(
    stream: "io.BufferedReader[Any]", *, after: int = 0, max_row_bytes: int = MAX_ROW_BYTES
) -> Iterator[Row | BadRow]:
    """The same for a stream that is open, and not compressed."""
    try:
        head = stream.peek(4)
    except Exception as error:  # a codec's errors are its own
        raise RowsUnreadable(f"it cannot be read: {describe(error)}") from error
    if head.startswith(PARQUET):
        with spool(stream) as file:
            yield from _parquet(file, after, max_row_bytes)
    elif head.startswith(OTHER_ENCODINGS):
        raise RowsUnreadable("it is UTF-16 or UTF-32: save it as UTF-8")
    else:
        yield from _lines(stream, after, max_row_bytes)


def _lines(stream: "io.BufferedReader[Any]", after: int, most: int) -> Iterator[Row | BadRow]:
    number = 0
    while True:
        try:
            line = stream.readline(most + 2)  # with its end
            is_long = len(line) == most + 2 and not line.endswith(b"\n")
            rest = line
            while is_long and rest and not rest.endswith(b"\n"):
                rest = stream.readline(most)
        except Exception as error:  # a codec's errors are its own
            raise RowsUnreadable(f"it cannot be read further: {describe(error)}", number) from error
        if not line:
            return
        number += 1
        if number <= after:
            continue
        if is_long:
            yield BadRow(number, f"it has more than {most} bytes")
            continue
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if text := line.strip():
            yield _parsed(number, text)


def _parsed(number: int, line: bytes) -> Row | BadRow:
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        try:
            line.decode()
        except UnicodeDecodeError as fault:
            return BadRow(number, f"it is not UTF-8 at byte {fault.start + 1}")
        return BadRow(number, f"it is not JSON: {error.msg} at character {error.colno}")
    if not isinstance(data, dict):
        return BadRow(number, "it is not a JSON object")
    return Row(number, data)


def _parquet(file: Any, after: int, most: int) -> Iterator[Row | BadRow]:  # noqa: ANN401 - pyarrow has no types
    parquet = import_module("pyarrow.parquet")
    number = after
    try:
        # A column chunk is read in small pieces: a file with one group of all its rows has its size in memory else.
        opened = parquet.ParquetFile(file, buffer_size=MAX_PARQUET_CHUNK_BYTES, pre_buffer=False)
        groups, skipped = _groups_behind(opened, after)
        number = skipped
        for batch in opened.iter_batches(PARQUET_ROWS, row_groups=groups, use_threads=False):
            skip = min(max(0, after - number), batch.num_rows)
            number += skip
            for row in _decoded(batch.slice(skip), number, most):
                number = row.number
                yield row
    except Exception as error:
        raise RowsUnreadable(f"it cannot be read as Parquet: {describe(error)}", max(number, after)) from error


def _groups_behind(opened: Any, after: int) -> tuple[list[int], int]:  # noqa: ANN401 - pyarrow has no types
    """The row groups that have rows behind row `after`, and how many rows are in those before them."""
    before, first = 0, 0
    while first < opened.num_row_groups and before + opened.metadata.row_group(first).num_rows <= after:
        before += opened.metadata.row_group(first).num_rows
        first += 1
    return list(range(first, opened.num_row_groups)), before


def _decoded(batch: Any, before: int, most: int) -> Iterator[Row | BadRow]:  # noqa: ANN401 - pyarrow has no types
    try:
        found = batch.to_pylist()
    except (ValueError, OverflowError):  # of one row, such as a text that is not UTF-8 or a year that no calendar has
        found = None
    for index in range(batch.num_rows):
        number = before + index + 1
        try:
            values = found[index] if found is not None else next(islice(batch.slice(index, 1).to_pylist(), 1))
            encoded = orjson.dumps(values, default=_plain, option=orjson.OPT_NON_STR_KEYS)
        except (ValueError, OverflowError, TypeError, RecursionError) as error:
            yield BadRow(number, f"it has a value that cannot be used: {describe(error)}")
            continue
        yield (
            BadRow(number, f"it has more than {most} bytes")
            if len(encoded) > most
            else Row(number, orjson.loads(encoded))
        )


def _plain(value: object) -> object:
    """A value of Parquet as JSON has it: numbers that lose nothing as text, bytes as text or base64."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)

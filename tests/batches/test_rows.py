"""Files of rows as people have them: each row is found with its number, and a bad one costs none of the others."""

import bz2
import gzip
import json
import lzma
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deployments.batches.rows import BadRow, Row, read_rows
from deployments.batches.source_file import RowsUnreadable

THREE = b'{"a": 1}\n{"a": 2}\n{"a": 3}\n'
ROWS = [Row(1, {"a": 1}), Row(2, {"a": 2}), Row(3, {"a": 3})]


def _arrow(codec: str) -> Callable[[bytes], bytes]:
    def compress(content: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, codec) as stream:
            stream.write(content)
        return bytes(sink.getvalue())

    return compress


COMPRESS = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": _arrow("zstd"),
    "lz4": _arrow("lz4"),
}


@pytest.mark.parametrize("compression", COMPRESS)
def test_json_lines_plain_or_compressed(tmp_path: Path, compression: str) -> None:
    file = tmp_path / "rows"  # the name says nothing
    file.write_bytes(COMPRESS[compression](THREE))
    assert list(read_rows(str(file))) == ROWS
    assert list(read_rows(str(file), after=2)) == ROWS[2:]


@pytest.mark.parametrize("compression", COMPRESS)
def test_parquet_plain_or_compressed(tmp_path: Path, compression: str) -> None:
    plain = tmp_path / "plain"
    pq.write_table(pa.table({"a": range(1, 2001)}), plain, row_group_size=300)
    file = tmp_path / "rows"
    file.write_bytes(COMPRESS[compression](plain.read_bytes()))
    assert [row.number for row in read_rows(str(file))] == list(range(1, 2001))
    assert list(read_rows(str(file), after=1999)) == [Row(2000, {"a": 2000})]
    assert list(read_rows(str(file), after=2000)) == []
    assert next(iter(read_rows(str(file), after=599))) == Row(600, {"a": 600})


def test_gzip_of_several_members_is_one_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.gz"
    file.write_bytes(b"".join(gzip.compress(line) for line in THREE.splitlines(keepends=True)))
    assert list(read_rows(str(file))) == ROWS


def test_any_url_of_fsspec() -> None:
    with fsspec.open("memory://test_any_url/rows.jsonl", "wb") as file:
        file.write(THREE)
    assert list(read_rows("memory://test_any_url/rows.jsonl")) == ROWS


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbf" + THREE, THREE.replace(b"\n", b"\r\n"), THREE.rstrip(b"\n")],
    ids=["byte order mark", "CRLF", "no end of the last line"],
)
def test_what_editors_do_to_lines(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows").write_bytes(content)
    assert list(read_rows(str(tmp_path / "rows"))) == ROWS


@pytest.mark.parametrize("content", [b"", b"\n\r\n  \n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
def test_an_empty_file_has_no_rows(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows").write_bytes(content)
    assert list(read_rows(str(tmp_path / "rows"))) == []


def test_a_bad_line_is_reported_with_its_number_and_costs_no_other(tmp_path: Path) -> None:
    lines = [
        b'{"a": 1}',
        b'{"a": ',
        b"",
        b'{"name": "M\xfcller"}',
        b"[1, 2]",
        b'{"a": "' + b"x" * 5000 + b'"}',
        b'{"a": NaN}',
        b"\x00\x00\x00",
        b'{"a": "\\ud800"}',
        b'{"a": 2}',
    ]
    (tmp_path / "rows").write_bytes(b"\n".join(lines))
    found = list(read_rows(str(tmp_path / "rows"), max_row_bytes=1000))
    assert [row.number for row in found] == [1, 2, 4, 5, 6, 7, 8, 9, 10]
    assert [row for row in found if isinstance(row, Row)] == [Row(1, {"a": 1}), Row(10, {"a": 2})]
    problems = {row.number: row.problem for row in found if isinstance(row, BadRow)}
    assert problems[4] == "it is not UTF-8 at byte 12"
    assert problems[5] == "it is not a JSON object"
    assert problems[6] == "it has more than 1000 bytes"
    assert all(problems[number].startswith("it is not JSON: ") for number in (2, 7, 8, 9))


@pytest.mark.parametrize("size", [1, 9, 10, 11, 18, 19, 20, 21, 22, 40])
def test_a_line_of_any_length_around_the_bound(tmp_path: Path, size: int) -> None:
    line = json.dumps({"a": "x" * size}).encode()
    (tmp_path / "rows").write_bytes(line + b"\n" + b'{"a": 2}\n')
    first, second = read_rows(str(tmp_path / "rows"), max_row_bytes=20)
    assert second == Row(2, {"a": 2})
    assert isinstance(first, Row) == (len(line) <= 20 + 1)  # the line's end may be missing, and is not counted


def test_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(THREE.decode().encode("utf-16"))
    with pytest.raises(RowsUnreadable, match="save it as UTF-8"):
        list(read_rows(str(tmp_path / "rows")))


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd", "lz4"])
def test_a_file_that_is_cut_off_gives_its_rows_and_then_says_so(tmp_path: Path, compression: str) -> None:
    content = COMPRESS[compression](b"".join(b'{"a": %d, "b": "%x"}\n' % (n, n * 7919**5) for n in range(30_000)))
    (tmp_path / "rows").write_bytes(content[: len(content) // 2])
    found = []
    with pytest.raises(RowsUnreadable, match="it cannot be read"):
        found.extend(read_rows(str(tmp_path / "rows")))  # `extend` keeps what came before the error
    assert [row.number for row in found] == list(range(1, len(found) + 1))
    assert len(found) > 1000


def test_damaged_parquet_gives_its_rows_and_then_says_so(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": [f"{n * 7919**5:x}" for n in range(20_000)]}), file, row_group_size=1000)
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = b"\xff" * 20_000
    file.write_bytes(content)
    found = []
    with pytest.raises(RowsUnreadable, match="Parquet"):
        found.extend(read_rows(str(file)))
    assert [row.number for row in found] == list(range(1, len(found) + 1))
    assert len(found) >= 1000


@pytest.mark.parametrize("url", ["/no/such/file", "gopher://example.org/rows", "s3://bucket/rows"])
def test_what_cannot_be_opened_is_named(url: str) -> None:
    with pytest.raises(RowsUnreadable, match="cannot be opened"):
        list(read_rows(url))


def test_a_zip_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.zip").write_bytes(b"PK\x03\x04rest")
    with pytest.raises(RowsUnreadable, match="zip"):
        list(read_rows(str(tmp_path / "rows.zip")))


def test_values_of_parquet_become_json(tmp_path: Path) -> None:
    table = pa.table(
        {
            "when": [datetime(2026, 3, 1, tzinfo=UTC)],
            "price": [Decimal("1.10")],
            "text": [b"plain"],
            "bytes": [b"\xff\x00"],
            "nan": [float("nan")],
            "list": [[{"x": 1}]],
            "nothing": pa.array([None], pa.string()),
        }
    )
    pq.write_table(table, tmp_path / "rows")
    (row,) = read_rows(str(tmp_path / "rows"))
    assert row == Row(
        1,
        {
            "when": "2026-03-01T00:00:00+00:00",
            "price": "1.10",
            "text": "plain",
            "bytes": "/wA=",
            "nan": None,
            "list": [{"x": 1}],
            "nothing": None,
        },
    )


def test_a_row_of_parquet_that_cannot_be_decoded_costs_no_other(tmp_path: Path) -> None:
    broken = pa.StringArray.from_buffers(
        3, pa.py_buffer(b"\x00\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0"), pa.py_buffer(b"a\xffc")
    )
    pq.write_table(pa.table({"a": broken}), tmp_path / "rows")
    first, second, third = read_rows(str(tmp_path / "rows"))
    assert (first, third) == (Row(1, {"a": "a"}), Row(3, {"a": "c"}))
    assert isinstance(second, BadRow)
    assert second.problem.startswith("it has a value that cannot be used")


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    file = tmp_path / "rows.gz"
    with gzip.open(file, "wb", compresslevel=1) as stream:
        for _ in range(32):
            stream.write(bytes(1 << 20))
        stream.write(b'\n{"a": 2}\n')
    tracemalloc.start()
    try:
        bad, good = read_rows(str(file))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert (bad, good) == (BadRow(1, "it has more than 1048576 bytes"), Row(2, {"a": 2}))

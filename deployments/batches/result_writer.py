"""Writes results in the order in which they come, as JSON Lines and as Parquet, to a directory or any fsspec URL."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import orjson

from deployments.batches.columns import ColumnType, fit

JSON_LINES: Final = "results.jsonl"
PARQUET: Final = "results.parquet"
GROUP_ROWS: Final = 1000
"""Rows that Parquet keeps together, and so the rows that are in memory."""
MAX_GROUP_BYTES: Final = 8 << 20
"""Of JSON: with longer rows a group has fewer."""


class ResultWriter:
    """`write` rows, then leave the context: only then are `results.jsonl` and `results.parquet` there, and whole.

    `url` is a directory, or what any URL of fsspec names as one. A row has a value for each of `columns`; one that is
    missing, or of another type, is null. After an error nothing is left of either file, and an older one stays where it
    was. It blocks, so a coroutine runs it in a thread; errors are those of the driver.
    """

    def __init__(self, url: str, columns: Mapping[str, ColumnType], options: Mapping[str, Any] | None = None) -> None:
        self._arrow = import_module("pyarrow")
        self._files, root = import_module("fsspec.core").url_to_fs(url, **(options or {}))
        self._root = str(root).rstrip("/")
        self._columns = dict(columns)
        self._schema = self._arrow.schema([(name, self._type(kind)) for name, kind in columns.items()])
        self._stack = ExitStack()
        self._rows: list[Mapping[str, Any]] = []
        self._bytes = 0
        self.count = 0
        """Rows written."""

    def __enter__(self) -> Self:
        self._files.makedirs(self._root, exist_ok=True)
        self._lines = self._open(JSON_LINES)
        binary = self._open(PARQUET)
        parquet = import_module("pyarrow.parquet")
        self._parquet = self._stack.enter_context(parquet.ParquetWriter(binary, self._schema, compression="zstd"))
        return self

    def write(self, row: Mapping[str, Any]) -> None:
        """The next row; JSON Lines has each value as it is, Parquet as its column can hold it."""
        line = orjson.dumps({name: row.get(name) for name in self._columns}, option=orjson.OPT_APPEND_NEWLINE)
        self._lines.write(line)
        self._rows.append(row)
        self._bytes += len(line)
        self.count += 1
        if len(self._rows) >= GROUP_ROWS or self._bytes >= MAX_GROUP_BYTES:
            self._write_group()

    def write_many(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Several rows, in their order."""
        for row in rows:
            self.write(row)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._write_group()
                self._stack.close()
                for name in (JSON_LINES, PARQUET):
                    self._publish(name)
                return
            # Object storage keeps what is written only when it is closed, so it is told not to.
            with suppress(Exception):
                self._parquet.close()
            self._stack.pop_all()
        finally:
            self._discard()

    def _open(self, name: str) -> Any:  # noqa: ANN401 - drivers' files have no common type
        return self._stack.enter_context(self._files.open(self._partial(name), "wb"))

    def _partial(self, name: str) -> str:
        return f"{self._root}/{name}.partial"

    def _publish(self, name: str) -> None:
        partial, final = self._partial(name), f"{self._root}/{name}"
        if "file" in self._files.protocol:
            Path(partial).replace(final)  # in one step, over an older one
        else:
            self._files.mv(partial, final)

    def _discard(self) -> None:
        for name in (JSON_LINES, PARQUET):
            with suppress(Exception):
                if self._files.exists(self._partial(name)):
                    self._files.rm(self._partial(name))

    def _write_group(self) -> None:
        if not self._rows:
            return
        values = [
            self._arrow.array([fit(row.get(name), kind) for row in self._rows], self._type(kind))
            for name, kind in self._columns.items()
        ]
        self._parquet.write_batch(self._arrow.record_batch(values, schema=self._schema), row_group_size=GROUP_ROWS)
        self._rows.clear()
        self._bytes = 0

    def _type(self, kind: ColumnType) -> Any:  # noqa: ANN401 - pyarrow has no types
        types: Mapping[str, Any] = {
            "string": self._arrow.string(),
            "json": self._arrow.string(),
            "int64": self._arrow.int64(),
            "double": self._arrow.float64(),
            "bool": self._arrow.bool_(),
        }
        inner = kind.removeprefix("list<").removesuffix(">")
        return types[kind] if kind in types else self._arrow.list_(types[inner])

"""Results are whole files in the order of the rows, which pandas and pyarrow read; a failure leaves no half of one."""

from pathlib import Path
from typing import Literal

import fsspec
import orjson
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from deployments.batches.columns import ColumnType, fit, output_columns, output_values
from deployments.batches.result_writer import ResultWriter

COLUMNS: dict[str, ColumnType] = {"row": "int64", "answer": "string", "tags": "list<string>", "extra": "json"}


class Point(BaseModel):
    x: int


class Label(BaseModel):
    label: Literal["good", "bad"]
    score: float | None
    count: int
    sure: bool
    words: list[str]
    point: Point
    points: list[Point]
    either: int | str


def test_both_files_have_the_rows_in_their_order(tmp_path: Path) -> None:
    with ResultWriter(str(tmp_path / "out"), COLUMNS) as writer:
        for number in range(1, 2502):
            writer.write({"row": number, "answer": f"{number}", "tags": ["a"], "extra": {"n": number}})
    lines = (tmp_path / "out/results.jsonl").read_bytes().splitlines()
    assert [orjson.loads(line)["row"] for line in lines] == list(range(1, 2502))
    assert orjson.loads(lines[-1]) == {"row": 2501, "answer": "2501", "tags": ["a"], "extra": {"n": 2501}}
    table = pq.read_table(tmp_path / "out/results.parquet")
    assert table.schema.equals(
        pa.schema(
            [("row", pa.int64()), ("answer", pa.string()), ("tags", pa.list_(pa.string())), ("extra", pa.string())]
        )
    )
    assert table["row"].to_pylist() == list(range(1, 2502))
    assert table.slice(2500).to_pylist() == [{"row": 2501, "answer": "2501", "tags": ["a"], "extra": '{"n":2501}'}]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"results.jsonl", "results.parquet"}


def test_pandas_reads_both(tmp_path: Path) -> None:
    with ResultWriter(str(tmp_path), COLUMNS) as writer:
        writer.write_many([{"row": 1, "answer": "one"}, {"row": 2, "answer": None}])
    assert pandas.read_parquet(tmp_path / "results.parquet")["row"].tolist() == [1, 2]
    assert pandas.read_json(tmp_path / "results.jsonl", lines=True)["answer"].tolist()[0] == "one"


def test_no_rows_are_two_files_with_columns(tmp_path: Path) -> None:
    with ResultWriter(str(tmp_path), COLUMNS):
        pass
    assert (tmp_path / "results.jsonl").read_bytes() == b""
    assert pq.read_table(tmp_path / "results.parquet").column_names == list(COLUMNS)


def test_object_storage() -> None:
    with ResultWriter("memory://test_object_storage/out", COLUMNS) as writer:
        writer.write({"row": 1})
    files = fsspec.filesystem("memory")
    assert sorted(path.rpartition("/")[2] for path in files.ls("/test_object_storage/out", detail=False)) == [
        "results.jsonl",
        "results.parquet",
    ]


def test_a_failure_keeps_what_was_there_before(tmp_path: Path) -> None:
    with ResultWriter(str(tmp_path), COLUMNS) as writer:
        writer.write({"row": 1, "answer": "before"})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(TypeError), ResultWriter(str(tmp_path), COLUMNS) as writer:
        writer.write({"row": 1, "answer": object()})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_structured_output_becomes_columns() -> None:
    columns = output_columns(Label.model_json_schema())
    assert columns == {
        "output_label": "string",
        "output_score": "double",
        "output_count": "int64",
        "output_sure": "bool",
        "output_words": "list<string>",
        "output_point": "json",
        "output_points": "json",
        "output_either": "json",
    }
    output = {"label": "good", "score": 1, "count": 3, "sure": True, "words": ["a"], "point": {"x": 1}, "either": "b"}
    assert output_values(output, columns) == {
        "output_label": "good",
        "output_score": 1.0,
        "output_count": 3,
        "output_sure": True,
        "output_words": ["a"],
        "output_point": '{"x":1}',
        "output_points": None,
        "output_either": '"b"',
    }
    assert output_values(None, columns) == dict.fromkeys(columns)
    assert output_columns(None) == {}


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (1 << 63, "int64", None),
        (2.0, "int64", 2),
        (2.5, "int64", None),
        (float("inf"), "int64", None),
        (True, "int64", None),
        (1, "bool", None),
        ("1", "double", None),
        (10**400, "double", None),
        ({"a": 1}, "string", '{"a":1}'),
        ("ab", "list<string>", None),
        ([1, "x"], "list<int64>", [1, None]),
    ],
)
def test_what_does_not_fit_a_column_is_null(value: object, kind: ColumnType, expected: object) -> None:
    assert fit(value, kind) == expected

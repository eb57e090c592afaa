"""A large file of rows in flat memory; `python -m tests.batches.test_large_files 1000` measures it for a gigabyte.

In a process of its own, whose resident memory is compared before and after, at its highest.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deployments.batches.result_writer import ResultWriter
from deployments.batches.rows import Row, read_rows

ROOT = Path(__file__).parents[2]
MAX_GROWTH_MB = 64
"""What reading and writing may take, however large the file is."""
ROW_BYTES = 1000


def make(path: Path, megabytes: int) -> int:
    """A file of rows with about so many megabytes; how many rows."""
    count = megabytes * 1_000_000 // ROW_BYTES
    text = "x" * (ROW_BYTES - 40)
    if path.suffix == ".parquet":
        schema = pa.schema([("message", pa.string()), ("n", pa.int64())])
        with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
            for start in range(0, count, 10_000):
                numbers = range(start, min(start + 10_000, count))
                columns = [pa.array([f"{n} {text}" for n in numbers]), pa.array(numbers)]
                writer.write_batch(pa.record_batch(columns, schema=schema), row_group_size=100_000)
        return count
    with path.open("wb") as file:
        for number in range(count):
            file.write(orjson.dumps({"message": text, "n": number}) + b"\n")
    return count


def growth(path: Path, out: Path) -> tuple[int, float]:
    """Read all rows and write as many results; how many, and by how many megabytes the memory has grown at most."""
    with ResultWriter(str(out / "warm"), {"row": "int64", "answer": "string"}) as writer:
        writer.write({"row": 0, "answer": "x"})
    warm = out / f"warm{path.suffix}"
    make(warm, 1)
    assert all(isinstance(row, Row) for row in read_rows(str(warm)))
    before = _peak()
    with ResultWriter(str(out / "out"), {"row": "int64", "answer": "string"}) as writer:
        for row in read_rows(str(path)):
            assert isinstance(row, Row)
            writer.write({"row": row.number, "answer": row.data["message"]})
    return writer.count, _peak() - before


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize(("suffix", "megabytes"), [(".jsonl", 60), (".parquet", 30)])
def test_the_memory_is_flat(tmp_path: Path, suffix: str, megabytes: int) -> None:
    path = tmp_path / f"rows{suffix}"
    rows = make(path, megabytes)
    code = f"from tests.batches.test_large_files import *; print(*growth(Path({str(path)!r}), Path({str(tmp_path)!r})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    count, grown = done.stdout.split()
    assert int(count) == rows
    assert float(grown) < MAX_GROWTH_MB


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for suffix in (".jsonl", ".parquet"):
            path = Path(name) / f"rows{suffix}"
            rows = make(path, int(sys.argv[1]))
            code = f"from tests.batches.test_large_files import *; print(*growth(Path({str(path)!r}), Path({name!r})))"
            done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
            print(
                f"{suffix}: {path.stat().st_size / 1e6:.0f} MB, {rows} rows; rows and MB grown: {done.stdout}", end=""
            )
            path.unlink()

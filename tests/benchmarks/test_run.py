"""The benchmark runs from start to end at a tiny size; what it measures then means nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report

ROOT = Path(__file__).parent.parent.parent
ROWS = (
    "Time to first token, 1 conversation, p50",
    "Turn time, 1 conversation, p99",
    "Turns a second, 2 conversations",
    "Server CPU per turn, 2 conversations",
    "– conversation actors",
    "Memory per live conversation, 2 conversations",
)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)
def test_both_subjects_are_measured(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"{report.BEGIN}{report.END}")
    command = [sys.executable, "-m", "benchmarks", "--quick", "--save", str(document)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=580, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    measured = document.read_text()
    assert [row for row in ROWS if f"| {row} |" not in measured] == []
    assert "| Raylogue | plain app | ratio |" in measured

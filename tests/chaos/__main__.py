"""`python -m tests.chaos`: break the running service at random for some time, then report which promises it broke."""

import argparse
import asyncio
import contextlib
import random
import sys
from pathlib import Path

from tests.chaos import report
from tests.chaos.checks import violations
from tests.chaos.faults import FAULTS, MIN_SECONDS, NODE_FAULTS
from tests.chaos.plan import RunSize, make_plan
from tests.chaos.run import run
from tests.chaos.system import running_system
from tests.support.older_code import UnusableCommit, code_of_commit

AGENTS = "tests/chaos/agents.py"
"""What nodes that run older code must have."""


def main() -> None:
    options = _options()
    kinds = options.only or [kind for kind in FAULTS if options.nodes or kind not in NODE_FAULTS]
    is_broken = False
    with contextlib.ExitStack() as stack:
        try:
            code = stack.enter_context(code_of_commit(options.older, AGENTS)) if options.older else None
        except UnusableCommit as error:
            sys.exit(str(error))
        system = stack.enter_context(running_system(nodes=options.nodes, code=code))
        for seed in options.seed:
            plan = make_plan(seed, RunSize(seconds=options.seconds), kinds, MIN_SECONDS)
            print(f"seed {seed}: {len(plan.faults)} faults in {options.seconds:.0f} s", flush=True)
            result = asyncio.run(run(plan, system))
            found = violations(result.evidence)
            is_broken |= bool(found)
            print(report.text(result, found), flush=True)
            if options.keep is not None:
                report.save_details(result, found, options.keep)
            if options.save is not None:
                report.save(report.markdown(result, found), options.save)
    sys.exit(is_broken)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long things are broken")
    seed = [random.randrange(10_000)]
    parser.add_argument("--seed", type=int, nargs="+", default=seed, help="of the plan; several are run one by one")
    parser.add_argument("--only", action="append", choices=FAULTS, metavar="FAULT", help="a kind of fault; repeatable")
    parser.add_argument("--nodes", type=int, default=2, help="how many nodes are joined to the first")
    parser.add_argument("--older", metavar="COMMIT", help="whose code the joined nodes run")
    parser.add_argument("--save", type=Path, metavar="FILE", help="put the result between FILE's two marks")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where to put all that is known of a violation")
    return parser.parse_args()


if __name__ == "__main__":
    main()

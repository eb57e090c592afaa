"""`make test` runs every test there is, and says in one line what is missing."""

import os
import re
import subprocess
from pathlib import Path

from tests.house.tree import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


def test_every_folder_with_tests_is_a_tier() -> None:
    tiers = " ".join(
        re.findall(r"^(?:QUICK|SHARING|OWN|COMMANDS|BROWSER|LAST) := (.*)$", MAKEFILE, re.MULTILINE)
    ).split()
    tiers.remove("$(IN_PROCESS)")  # parts of a folder that is a tier
    folders = {test.relative_to(ROOT / "tests").parts[0] for test in (ROOT / "tests").rglob("test_*.py")}
    assert folders == set(tiers)


def test_every_target_says_what_it_does() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    explained = set(re.findall(r"^([a-z]+):.*## \S", MAKEFILE, re.MULTILINE))
    assert explained == set(phony[1].split())


def test_a_missing_python_is_one_line_with_the_way_out(tmp_path: Path) -> None:
    for file in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / file).write_text("" if file != "Makefile" else MAKEFILE)
    done = subprocess.run(
        ["make", "run", "PYTHON=no-such-python"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    told = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert told == [
        "Raylogue needs Python 3.11, 3.12 or 3.13 with its venv module: apt install python3 python3-venv, "
        "or name one: make PYTHON=/path/to/python3.11 run"
    ]


def test_ci_is_a_script_that_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0

"""A command imports what it needs, not what others need: each run of it begins with its imports."""

import subprocess
import sys

import pytest

from deployments.cli.main import COMMANDS, ROOM, CommandsByName

PROGRAM = """
import sys
from deployments.cli.main import application
application([{name!r}, "--help"], standalone_mode=False)
print(*sys.modules, file=sys.stderr)
"""


def test_a_command_imports_no_other_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(name="cancel")], check=True, capture_output=True, text=True
    )
    commands = [module for module in done.stderr.split() if module.startswith(f"{ROOM}.")]
    assert commands == [f"{ROOM}.cancel"]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_where_the_table_says(name: str) -> None:
    assert CommandsByName()[name].name == name

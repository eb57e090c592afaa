"""The way of a message from the request to the append, as docs/architecture.md names it, can be read in one sitting."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from tests.house.tree import ROOT, parsed

PAGE = ROOT / "docs" / "architecture.md"
ROW = re.compile(r"^\| \[[\w.]+\]\(\.\./([\w/.]+)\) \| (.+?) \| .+ \|$", re.MULTILINE)
MAX_TRAIL_LINES = 1000
COMMANDS = {"send", "append"}
"""Functions that are called alike from file to file since they hand on the same thing."""


def trail() -> dict[Path, list[str]]:
    """The functions on the trail, by file."""
    rows = ROW.findall(PAGE.read_text())
    return {ROOT / file: re.findall(r"`([\w.]+)`", functions) for file, functions in rows if file.endswith(".py")}


def lines_of(file: Path, name: str) -> int:
    """How long a function or `Class.method` is; a bare name may be that of a method."""
    cls, _, function = name.rpartition(".")
    tree = parsed(file)
    scopes = [node for node in tree.body if isinstance(node, ast.ClassDef) and cls in ("", node.name)]
    found = [
        node
        for scope in (*scopes, *([] if cls else [tree]))
        for node in scope.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function
    ]
    assert len(found) == 1, f"{file.name} has {len(found)} functions called {name}"
    return (found[0].end_lineno or 0) - found[0].lineno + 1


def test_the_decisions_on_the_way_of_a_message_can_be_read_in_one_sitting() -> None:
    script = (ROOT / "store/scripts/append.lua").read_text().count("\n")
    assert len(trail()) > 10
    total = sum(lines_of(file, name) for file, names in trail().items() for name in names)
    assert total + script <= MAX_TRAIL_LINES


def test_no_two_functions_on_the_way_share_a_name() -> None:
    places = defaultdict(list)
    for file, names in trail().items():
        for name in names:
            places[name.rpartition(".")[2]].append(file.name)
    assert {name for name, files in places.items() if len(files) > 1} <= COMMANDS
